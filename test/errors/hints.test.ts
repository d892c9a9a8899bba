import { data, init, LatentError, loss, nn, optim, random, Trainer, zeros } from '../../lib/index.js';

/** What those who come from other libraries write first, and what the error tells them to write instead. */
const net = () => new nn.Sequential(new nn.Dense(2));
const lstm = new nn.LSTM(2);
lstm.initialize();
const cases: readonly (readonly [string, () => unknown, RegExp])[] = [
  ['an initializer by name', () => net().initialize('xavier' as never), /write \{ init: 'xavier' \}$/],
  ['an initializer', () => net().initialize(new init.Xavier() as never), /write \{ init: new init\.Xavier\(\) \}$/],
  ['Dense(4, 8)', () => new nn.Dense(4, 8 as never), /got 8; write new Dense\(units\), or \{ inUnits \}/],
  ['a name in another case', () => new nn.Activation('ReLU' as never), /did you mean 'relu'\?$/],
  ['an option in another case', () => new nn.Dense(2, { INUNITS: 3 } as never), /did you mean 'inUnits'\?/],
  [
    'BatchNorm(64)',
    () => new nn.BatchNorm(64 as never),
    /got 64; write new nn\.BatchNorm\(\), for the first batch tells/,
  ],
  [
    'LayerNorm(64)',
    () => new nn.LayerNorm(64 as never),
    /got 64; write new nn\.LayerNorm\(\), for the first batch tells/,
  ],
  [
    'Sequential of an array',
    () => new (nn.Sequential as never as new (...layers: unknown[]) => unknown)([new nn.Dense(2)]),
    /pass them one by one, as in new nn\.Sequential\(\.\.\.layers\)$/,
  ],
  [
    'Sequential of a class',
    () => new (nn.Sequential as never as new (...layers: unknown[]) => unknown)(nn.Dense),
    /make one of them, as in new nn\.Dense\(\)$/,
  ],
  ['batch_first', () => new nn.LSTM(2, { batch_first: true } as never), /did you mean 'layout'\?/],
  [
    'dropLast',
    () => new data.DataLoader(new data.ArrayDataset(zeros([2, 1])), { dropLast: true } as never),
    /did you mean 'lastBatch'\?/,
  ],
  ['an option like none', () => new nn.LSTM(2, { colour: 1 } as never), /no option 'colour'; it takes inputSize/],
  ['one LSTM state', () => lstm(zeros([2, 1, 3]), zeros([1, 1, 2]) as never), /as a list \[h, c\], but got tensor/i],
  [
    'DataLoader without a batch size',
    () => new data.DataLoader(new data.ArrayDataset(zeros([2, 1])), {} as never),
    /^DataLoader: batchSize/,
  ],
  ['zeros(2, 3)', () => zeros(2 as never, 3 as never), /got 3; write the sizes as one array, as in zeros\(\[2, 3\]\)$/],
  ['zeros(2)', () => zeros(2 as never), /write \[2\]$/],
  ['reshape(3)', () => zeros([3]).reshape(3 as never), /write \[3\]$/],
  ['sum(1)', () => zeros([2, 3]).sum(1 as never), /write \{ axis: 1 \}$/],
  ['Trainer of a net', () => new Trainer(net() as never, 'sgd'), /write net\.collectParams\(\)$/],
  [
    'a rate below 0',
    () => new Trainer(net().collectParams(), 'sgd', { learningRate: -1 }),
    /learningRate takes a finite number from 0, but got -1$/,
  ],
  [
    'the base of optimizers',
    () => new (optim.Optimizer as never as new () => unknown)(),
    /such as new optim\.SGD\(\)$/,
  ],
  ['the base of losses', () => new (loss.Loss as never as new () => unknown)(), /such as new loss\.L2\(\)$/],
  [
    'parameters before the options',
    () => new optim.Adam(net().collectParams() as never),
    /Adam takes an options object, but got sequential/,
  ],
  ['options in a Map', () => new optim.SGD(new Map([['learningRate', 1]]) as never), /got Map/],
  ["a block's own parameters", () => new Trainer(net().params, 'sgd'), /net\.collectParams\(\)$/],
  [
    'a forgotten argument',
    () => (net() as never as () => unknown)(),
    /Dense '0' in Sequential takes a tensor, but got undefined/,
  ],
  [
    'forEach without a function',
    () =>
      net()
        .collectParams()
        .forEach({} as never),
    /takes a function, but got \{\}$/,
  ],
];

test.each(cases)('%s', (_, call, message) => {
  expect(call).toThrow(message);
  expect(call).toThrow(LatentError);
});

test('what an option of undefined asks for is what leaving it out does', () => {
  random.seed(3);
  const given = new nn.Dense(2, { activation: undefined, useBias: undefined, inUnits: undefined });
  given.initialize({ init: undefined, forceReinit: undefined });
  expect(given(zeros([1, 3])).shape).toEqual([1, 2]);
  expect(zeros([2], { dtype: undefined }).dtype).toBe('float32');
});
