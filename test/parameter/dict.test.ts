import { runInNewContext } from 'node:vm';
import { ArgumentError, init, nn, Trainer } from '../../lib/index.js';
import { expectError } from '../support/errors.js';
import { inFolder } from '../support/nn-helpers.js';

const build = () => {
  const net = new nn.Sequential(new nn.Dense(2, { inUnits: 2 }), new nn.Dense(1, { inUnits: 2 }));
  net.initialize();
  return net;
};

describe('a pattern that finds nothing', () => {
  const uses: Readonly<Record<string, (found: nn.ParameterDict) => unknown>> = {
    setAttr: found => found.setAttr('gradReq', 'null'),
    initialize: found => found.initialize(),
    zeroGrad: found => found.zeroGrad(),
    save: found => inFolder(folder => found.save(`${folder}/p.safetensors`)),
    load: found => found.load('missing.safetensors'),
    'a trainer': found => new Trainer(found, 'sgd'),
  };

  it.each(Object.keys(uses))('raises where something is to be done: %s', name => {
    const found = build().collectParams(/encodr/);
    expectError(
      () => uses[name]!(found),
      ArgumentError,
      /^Sequential\.collectParams\(\/encodr\/\) found no parameter .*; there are 0\.weight, 0\.bias, 1\.weight, 1\.bias$/,
    );
  });

  it('may be asked for, and shortens a long list', () => {
    const found = build().collectParams('encodr');
    expect([found.size, [...found.keys()], found.has('0.weight')]).toEqual([0, [], false]);
    const deep = new nn.Sequential(...Array.from({ length: 7 }, () => new nn.Dense(1)));
    expectError(
      () => deep.collectParams(/x/).setAttr('lrMult', 0),
      ArgumentError,
      /to set lrMult of; .* 5\.bias and 2 more$/,
    );
  });

  it('is no fault of a net without parameters', () => {
    const none = new nn.Sequential(new nn.Activation('relu')).collectParams();
    none.setAttr('gradReq', 'null');
    none.zeroGrad();
    expect(none.size).toBe(0);
  });
});

describe('patterns', () => {
  it('may come from another realm', () => {
    const pattern = runInNewContext('/^1/') as RegExp;
    expect(pattern instanceof RegExp).toBe(false);
    expect([...build().collectParams(pattern).keys()]).toEqual(['1.weight', '1.bias']);
    const net = build();
    net.initialize({ init: new init.Mixed([[runInNewContext('/weight/') as RegExp, 'ones']]), forceReinit: true });
    expect(net[0].weight.data().toArray()).toEqual([
      [1, 1],
      [1, 1],
    ]);
  });

  it('are refused where they are none', () => {
    expectError(() => build().collectParams(3 as never), ArgumentError, 'takes a RegExp or a string, but got 3');
    expectError(() => build().collectParams('('), ArgumentError, "takes a RegExp or the text of one, but got '('");
  });
});

it('layers in a Map of another realm belong to their net', () => {
  class Net extends nn.Block {
    layers = runInNewContext('new Map()') as Map<string, nn.Dense>;
    forward(): never {
      throw new Error('not called');
    }
  }
  const net = new Net();
  net.layers.set('a', new nn.Dense(1));
  expect([...net.collectParams().keys()]).toEqual(['layers.a.weight', 'layers.a.bias']);
  const copy = net.clone();
  expect(copy.layers.get('a')).not.toBe(net.layers.get('a'));
});
