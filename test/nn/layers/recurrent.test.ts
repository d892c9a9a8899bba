import fc from 'fast-check';
import {
  ArgumentError,
  autograd,
  DTypeError,
  getNumThreads,
  nn,
  random,
  ShapeError,
  setNumThreads,
  type Tensor,
  Trainer,
  tensor,
  ValueError,
  zeros,
} from '../../../lib/index.js';
import { type RecurrentKind, recurrent } from '../../../lib/ops/recurrent.js';
import { gradientOf } from '../../support/gradient-of.js';
import { whatStays } from '../../support/memory.js';
import { bits, thrown, values } from '../../support/nn-helpers.js';
import { sizeOf } from '../../support/plain.js';
import { seed } from '../../support/random.js';

const runs = { numRuns: 200, seed };
type Kind = 'RNN' | 'LSTM' | 'GRU';
type Vector = number[];

const sigmoid = (v: number) => 1 / (1 + Math.exp(-v));

/** One step of a cell over plain numbers, gates in PyTorch's order. */
function plainStep(
  kind: Kind,
  relu: boolean,
  x: Vector,
  [h, c]: readonly [Vector, Vector],
  p: { wi: Vector[]; wh: Vector[]; bi: Vector; bh: Vector },
): [Vector, Vector] {
  const times = (rows: Vector[], v: Vector, b: Vector) =>
    rows.map((row, i) => row.reduce((sum, w, j) => sum + w * v[j]!, b[i]!));
  const [a, b] = [times(p.wi, x, p.bi), times(p.wh, h, p.bh)];
  const size = h.length;
  const gate = (i: number, k: number) => a[i * size + k]! + b[i * size + k]!;
  if (kind === 'RNN') return [h.map((_, k) => (relu ? Math.max(0, gate(0, k)) : Math.tanh(gate(0, k)))), c];
  if (kind === 'LSTM') {
    const cell = c.map((old, k) => sigmoid(gate(1, k)) * old + sigmoid(gate(0, k)) * Math.tanh(gate(2, k)));
    return [cell.map((v, k) => sigmoid(gate(3, k)) * Math.tanh(v)), cell];
  }
  return [
    h.map((old, k) => {
      const [r, z] = [sigmoid(gate(0, k)), sigmoid(gate(1, k))];
      const n = Math.tanh(a[2 * size + k]! + r * b[2 * size + k]!);
      return (1 - z) * n + z * old;
    }),
    c,
  ];
}

const matrix = (t: Tensor): Vector[] => t.cast('float64').toArray() as Vector[];
const vector = (t: Tensor): Vector => t.cast('float64').toArray() as Vector;

/** The whole layer, sample by sample, over x[steps][batch][units]; states are [layer·directions + direction][batch]. */
function plainLayer(
  kind: Kind,
  net: nn.Recurrent,
  relu: boolean,
  x: Vector[][],
  states: readonly [Vector[][], Vector[][]],
  lengths: readonly number[],
): { y: Vector[][]; h: Vector[][]; c: Vector[][] } {
  const directions = net.bidirectional ? [false, true] : [false];
  const params = net.collectParams();
  const size = net.hiddenSize;
  const nothing = new Array<number>(size).fill(0);
  let rows = x;
  const [h, c]: [Vector[][], Vector[][]] = [[], []];
  for (let layer = 0; layer < net.numLayers; layer++) {
    const next: Vector[][] = rows.map(step => step.map(() => []));
    for (const backwards of directions) {
      const suffix = `_l${layer}${backwards ? '_reverse' : ''}`;
      const get = (name: string) => params.get(name + suffix).data() as Tensor;
      const has = params.has(`bias_ih${suffix}`);
      const wi = matrix(get('weight_ih'));
      const bias = (name: string) => (has ? vector(get(name)) : wi.map(() => 0));
      const p = { wi, wh: matrix(get('weight_hh')), bi: bias('bias_ih'), bh: bias('bias_hh') };
      const at = layer * directions.length + Number(backwards);
      const [lastH, lastC]: [Vector[], Vector[]] = [[], []];
      lengths.forEach((length, n) => {
        let state: [Vector, Vector] = [states[0][at]![n]!, states[1][at]![n]!];
        for (let k = 0; k < rows.length; k++) {
          const t = backwards ? rows.length - 1 - k : k;
          const inside = t < length;
          if (inside) state = plainStep(kind, relu, rows[t]![n]!, state, p);
          next[t]![n]!.push(...(inside ? state[0] : nothing));
        }
        lastH.push(state[0]);
        lastC.push(state[1]);
      });
      h.push(lastH);
      c.push(lastC);
    }
    rows = next;
  }
  return { y: rows, h, c };
}

function expectNear(got: Tensor, want: unknown, allowed: number): void {
  const flat = (want as number[][][]).flat(2);
  const data = [...got.toTypedArray()].map(Number);
  expect(data.length).toBe(flat.length);
  const worst = data.reduce((far, v, i) => Math.max(far, Math.abs(v - flat[i]!)), 0);
  // A relu lets states grow from step to step.
  expect(worst).toBeLessThan(allowed * flat.reduce((most, v) => Math.max(most, Math.abs(v)), 1));
}

const forms = fc.record({
  kind: fc.constantFrom<Kind>('RNN', 'LSTM', 'GRU'),
  relu: fc.boolean(),
  steps: fc.integer({ min: 0, max: 6 }),
  batch: fc.integer({ min: 1, max: 5 }),
  inputs: fc.integer({ min: 1, max: 5 }),
  hiddenSize: fc.constantFrom(1, 2, 5, 17),
  numLayers: fc.integer({ min: 1, max: 3 }),
  bidirectional: fc.boolean(),
  useBias: fc.boolean(),
  layout: fc.constantFrom('TNC' as const, 'NTC' as const),
  dtype: fc.constantFrom('float32' as const, 'float64' as const),
  given: fc.boolean(),
  cut: fc.boolean(),
  salt: fc.nat(1e6),
});

test('RNN, LSTM and GRU against plain loops: layers, directions, layouts, states and lengths', () => {
  fc.assert(
    fc.property(forms, ({ kind, relu, steps, batch, inputs, hiddenSize, layout, dtype, given, cut, salt, ...rest }) => {
      const draw = (shape: number[], from: number) => tensor(values(sizeOf(shape), from), { shape, dtype }) as Tensor;
      const { numLayers, bidirectional, useBias } = rest;
      const options = { numLayers, bidirectional, useBias, layout, dtype };
      const net: nn.Recurrent =
        kind === 'RNN'
          ? new nn.RNN(hiddenSize, { ...options, activation: relu ? 'relu' : 'tanh' })
          : new nn[kind](hiddenSize, options);
      random.seed(salt);
      net.initialize({ init: 'uniform' });
      const x = draw([steps, batch, inputs], salt);
      const input = layout === 'TNC' ? x : (x.swapAxes(0, 1) as Tensor);
      net(input);
      for (const p of net.collectParams().values()) p.setData(draw([...p.shape], salt + p.shape[0]!));
      const rows = numLayers * (bidirectional ? 2 : 1);
      const states = net.beginState(batch).map((_, i) => draw([rows, batch, hiddenSize], salt + 7 + i));
      const lengths = Array.from({ length: batch }, (_, n) => (cut ? (salt + 3 * n) % (steps + 1) : steps));
      const sequenceLength = cut ? (tensor(lengths, { dtype: 'int32' }) as Tensor) : undefined;
      const plain = (t: Tensor) => t.cast('float64').toArray() as Vector[][];
      const zero = () => plain(zeros([rows, batch, hiddenSize]) as Tensor);
      const first = given ? states.map(plain) : [];
      const want = plainLayer(
        kind,
        net,
        relu,
        steps === 0 ? [] : plain(x),
        [first[0] ?? zero(), first[1] ?? zero()],
        lengths,
      );
      const allowed = dtype === 'float32' ? 2e-4 : 1e-12;
      const tnc = (y: Tensor) => (layout === 'TNC' ? y : (y.swapAxes(0, 1) as Tensor));
      if (given) {
        const [y, last] = net(input, states, sequenceLength);
        expectNear(tnc(y), want.y, allowed);
        expectNear(last[0]!, want.h, allowed);
        expect(last.length).toBe(kind === 'LSTM' ? 2 : 1);
        if (kind === 'LSTM') expectNear(last[1]!, want.c, allowed);
        const [recorded] = autograd.record(() => net(input, states, sequenceLength), { trainMode: false });
        expect(bits(recorded)).toBe(bits(y));
      } else {
        const y = cut ? net(input, undefined, sequenceLength as Tensor) : net(input);
        expect(y.shape).toEqual([
          ...(layout === 'TNC' ? [steps, batch] : [batch, steps]),
          hiddenSize * (bidirectional ? 2 : 1),
        ]);
        expectNear(tnc(y), want.y, allowed);
      }
    }),
    runs,
  );
});

describe.each<RecurrentKind>(['lstm', 'gru', 'rnnTanh', 'rnnRelu'])('the gradients of %s', kind => {
  const gates = { lstm: 4, gru: 3, rnnTanh: 1, rnnRelu: 1 }[kind];
  const draw = (shape: number[], from: number) =>
    tensor(values(sizeOf(shape), from), { shape, dtype: 'float64' }) as Tensor;

  test.each([
    ['forwards', false, null],
    ['backwards', true, null],
    ['forwards with lengths', false, [3, 1, 0]],
    ['backwards with lengths', true, [2, 3, 1]],
  ] as const)('%s, of everything that comes out, to second order', (_, backwards, list) => {
    const [steps, batch, size] = [3, 3, 2];
    const lengths = list === null ? null : (tensor([...list], { dtype: 'int32' }) as Tensor);
    const f = (...all: Tensor[]): Tensor => {
      const [input, weight, ...rest] = all as [Tensor, Tensor, ...Tensor[]];
      const bias = kind === 'gru' ? rest.shift()! : null;
      const { y, last } = recurrent(kind, input, weight, bias, rest, backwards, lengths);
      return [y.square(), ...last].reduce((sum, t) => sum.add(t.sum().square()) as Tensor, y.sum().mul(0)) as Tensor;
    };
    const points = [
      draw([steps, batch, gates * size], 1),
      draw([gates * size, size], 2),
      ...(kind === 'gru' ? [draw([3 * size], 3)] : []),
      ...Array.from({ length: kind === 'lstm' ? 2 : 1 }, (_, i) => draw([batch, size], 4 + i)),
    ];
    autograd.gradCheck(f, points);
    autograd.gradCheck(gradientOf(f), [...points, draw([], 9)]);
    // What is recorded is computed by other operations: they must agree to the last digits.
    const variables = points.map(p => p.clone().attachGrad() as Tensor);
    const plain = autograd.grad(
      autograd.record(() => f(...variables)),
      variables,
    );
    const recorded = autograd.grad(
      autograd.record(() => f(...variables)),
      variables,
      { createGraph: true },
    );
    plain.forEach((g, i) => {
      expect(g.sub(recorded[i]!).abs().max().item()).toBeLessThan(1e-12);
    });
  });
});

test('a layer trains: gradients reach every parameter, the same with any number of threads', () => {
  const before = getNumThreads();
  const x = random.normal([20, 16, 24]) as Tensor;
  for (const Layer of [nn.LSTM, nn.GRU, nn.RNN]) {
    const results = [1, 2, 3].map(threads => {
      setNumThreads(threads);
      random.seed(4);
      const net = new Layer(64, { numLayers: 2, bidirectional: true });
      net.initialize({ init: 'xavier' });
      autograd.record(() => net(x).square().mean()).backward();
      const gradients = [...net.collectParams().values()].map(p => p.grad());
      for (const g of gradients) expect(g.abs().max().item()).toBeGreaterThan(0);
      return gradients.map(bits);
    });
    for (const other of results) expect(other).toEqual(results[0]);
  }
  setNumThreads(before);
});

test('cells are the layers, a step at a time', () => {
  const x = random.normal([5, 3, 4]) as Tensor;
  for (const [Layer, Cell] of [
    [nn.LSTM, nn.LSTMCell],
    [nn.GRU, nn.GRUCell],
    [nn.RNN, nn.RNNCell],
  ] as const) {
    const layer = new Layer(6);
    layer.initialize({ init: 'normal' });
    const [y, last] = layer(x, layer.beginState(3));
    const cell = new Cell(6);
    cell.initialize();
    cell(x.slice(0) as Tensor);
    for (const [path, p] of cell.collectParams()) p.setData(layer.collectParams().get(`${path}_l0`).data());
    let states: Tensor[] | undefined;
    for (let t = 0; t < 5; t++) {
      const [out, next] = cell(x.slice(t) as Tensor, states);
      states = next;
      expectNear(out, [[(y.slice(t) as Tensor).toArray()]].flat(2), 1e-6);
    }
    states!.forEach((state, i) => {
      expectNear(state, [(last[i] as Tensor).toArray()].flat(2), 1e-6);
    });
  }
});

test('what lies between layers is dropped in training alone', () => {
  const make = (dropout: number) => {
    random.seed(1);
    const net = new nn.GRU(5, { numLayers: 2, dropout });
    net.initialize({ init: 'normal' });
    return net;
  };
  const x = random.normal([3, 2, 4]) as Tensor;
  const [sure, unsure] = [make(0), make(0.5)];
  expect(bits(unsure(x))).toBe(bits(sure(x)));
  expect(bits(autograd.trainMode(() => unsure(x)))).not.toBe(bits(sure(x)));
});

test('states carry a long sequence over its parts', () => {
  const x = random.normal([8, 2, 3]) as Tensor;
  const net = new nn.LSTM(4, { numLayers: 2 });
  net.initialize({ init: 'normal' });
  const [whole, last] = net(x, net.beginState(2));
  const [, middle] = net(x.slice([0, 5]) as Tensor, net.beginState(2));
  const [rest, end] = net(x.slice([5, 8]) as Tensor, middle);
  expect(bits(rest)).toBe(bits(whole.slice([5, 8]).clone() as Tensor));
  expect(end.map(bits)).toEqual(last.map(bits));
});

test('training leaves nothing behind', () => {
  const net = new nn.LSTM(16);
  net.initialize();
  const x = random.normal([10, 4, 8]) as Tensor;
  net(x);
  const trainer = new Trainer(net.collectParams(), 'sgd', { learningRate: 0.01 });
  const step = () => {
    autograd.record(() => net(x).square().sum()).backward();
    trainer.step(4);
  };
  for (let i = 0; i < 5; i++) step();
  const before = whatStays();
  for (let i = 0; i < 200; i++) step();
  expect(whatStays()).toEqual(before);
});

test('misuse', () => {
  const saysOf = (kind: new (...a: never[]) => Error, f: () => unknown): string => {
    const error = thrown(f);
    expect(error).toBeInstanceOf(kind);
    return error.message;
  };
  const net = new nn.LSTM(3, { numLayers: 2 });
  net.initialize();
  const x = zeros([4, 2, 5]) as Tensor;
  const states = net.beginState(2);
  expect(saysOf(ArgumentError, () => new nn.LSTM(0))).toMatch(/hiddenSize/);
  expect(saysOf(ArgumentError, () => new nn.LSTM(3, { layout: 'CNT' as never }))).toMatch(/'TNC'.*'NTC'/);
  expect(saysOf(ArgumentError, () => new nn.LSTM(3, { layers: 2 } as never))).toMatch(/layers/);
  expect(saysOf(ArgumentError, () => new nn.RNN(3, { activation: 'gelu' as never }))).toMatch(/'relu'/);
  expect(saysOf(ArgumentError, () => new nn.GRU(3, { dropout: 1.5 }))).toMatch(/dropout/);
  expect(saysOf(ShapeError, () => net(zeros([4, 5]) as Tensor))).toMatch(
    /3 dimensions, \[steps, batch, units\].*\[4, 5\]/,
  );
  expect(saysOf(ShapeError, () => net(zeros([4, 2, 0]) as Tensor))).toMatch(/at least 1 input/);
  expect(saysOf(ArgumentError, () => net(x, states[0]!))).toMatch(/\[h, c\]/);
  expect(saysOf(ShapeError, () => net(x, [states[0]!, zeros([1, 2, 3]) as Tensor]))).toMatch(
    /states of shape \[2, 2, 3\], but got one of shape \[1, 2, 3\]/,
  );
  expect(saysOf(DTypeError, () => net(x, [states[0]!, states[1]!.cast('float64') as Tensor]))).toMatch(/float64/);
  const lengths = (list: number[], dtype: 'int32' | 'float32' = 'int32') => tensor(list, { dtype }) as Tensor;
  expect(saysOf(ValueError, () => net(x, states, lengths([4, 5])))).toMatch(
    /sample 1 cannot have 5 steps.*there are 4/,
  );
  expect(saysOf(ValueError, () => net(x, states, lengths([-1, 4])))).toMatch(/-1 steps/);
  expect(saysOf(ShapeError, () => net(x, states, lengths([4])))).toMatch(/each of 2 samples/);
  expect(saysOf(DTypeError, () => net(x, states, lengths([4, 4], 'float32')))).toMatch(/int32/);
  // None of these left a trace: the first forward that works settles everything.
  expect(net(x).shape).toEqual([4, 2, 3]);
  expect(saysOf(ShapeError, () => net(zeros([4, 2, 6]) as Tensor))).toMatch(/takes 5 input units.*\[4, 2, 6\]/);
  expect(saysOf(DTypeError, () => net(zeros([4, 2, 5], { dtype: 'float64' })))).toMatch(/float64/);
  expect(saysOf(ShapeError, () => new nn.GRUCell(3)(x))).toMatch(/\[batch, units\]/);
  expect(net(zeros([0, 2, 5]) as Tensor).shape).toEqual([0, 2, 3]);
  expect(net(zeros([4, 0, 5]) as Tensor).shape).toEqual([4, 0, 3]);
});

describe.each(['RNN', 'LSTM', 'GRU'] as const)('what lies after the lengths of %s', name => {
  const made = () => {
    random.seed(4);
    const net = new nn[name](3, { layout: 'NTC', numLayers: 2, bidirectional: true, inputSize: 2 });
    net.initialize({ init: 'xavier' });
    return net;
  };
  const x = tensor(values(24), { shape: [3, 4, 2] }) as Tensor;
  const lengths = tensor([1, 4, 0], { dtype: 'int32' }) as Tensor;
  /** The same input with something else after the lengths. */
  const dirty = (value: number): Tensor => {
    const copy = x.clone() as Tensor;
    for (const [n, from] of [
      [0, 1],
      [2, 0],
    ] as const)
      for (let t = from; t < 4; t++) for (let i = 0; i < 2; i++) copy.set([n, t, i], value);
    return copy;
  };
  const run = (input: Tensor, hybrid: boolean) => {
    const net = made();
    if (hybrid) net.hybridize();
    const variable = input.attachGrad() as Tensor;
    const y = autograd.record(() => net(variable, undefined, lengths));
    y.backward();
    return [y, variable.grad as Tensor, ...[...net.collectParams().values()].map(p => p.grad())].map(bits);
  };

  it.each([Number.NaN, Number.POSITIVE_INFINITY, 1e38])('reaches no result and no gradient: %p', value => {
    const clean = run(dirty(0), false);
    expect(run(dirty(value), false)).toEqual(clean);
    expect(run(dirty(value), true)).toEqual(clean);
  });
});
