import assert from 'node:assert';
import { isDeepStrictEqual } from 'node:util';
import { MessageChannel } from 'node:worker_threads';
import { autograd, init, io, nn, random, type Tensor, Trainer, tensor, zeros } from '../../lib/index.js';

const parameter = (value: number): nn.Parameter => {
  const d = new nn.Dense(1, { inUnits: 1, weightInitializer: new init.Constant(value) });
  d.initialize();
  return d.weight;
};

/** Pairs that differ in one thing each. */
const unequal: Record<string, [unknown, unknown]> = {
  values: [tensor([1, 2]), tensor([1, 3])],
  'a value among many': [zeros([40, 40]), zeros([40, 40]).set([39, 39], 1)],
  shapes: [tensor([1, 2]), tensor([[1, 2]])],
  dtypes: [tensor([1, 2]), tensor([1, 2], { dtype: 'int32' })],
  'dtypes of the same size': [zeros([2]), zeros([2], { dtype: 'int32' })],
  'the order of elements': [
    tensor([
      [1, 2],
      [3, 4],
    ]),
    tensor([
      [1, 2],
      [3, 4],
    ]).transpose(),
  ],
  'the sign of zero': [tensor([0]), tensor([-0])],
  'numbers and none': [tensor([Number.NaN]), tensor([1])],
  'shapes of nothing': [zeros([0, 2]), zeros([2, 0])],
  parameters: [parameter(1), parameter(2)],
  'parameters with and without values': [parameter(1), new nn.Parameter({ shape: [1, 1] })],
};
/** Pairs that are the same. */
const equal: Record<string, [unknown, unknown]> = {
  values: [tensor([1, 2]), tensor([1, 2])],
  'no numbers of other bits': [
    tensor(new Float64Array(new BigUint64Array([0x7ff8000000000001n]).buffer)),
    tensor(new Float64Array(new BigUint64Array([0xfff8000000000000n]).buffer)),
  ],
  'no numbers': [tensor([Number.NaN, Infinity]), tensor([0 / 0, Infinity])],
  views: [
    tensor([
      [1, 2],
      [3, 4],
    ]).transpose(),
    tensor([
      [1, 3],
      [2, 4],
    ]),
  ],
  scalars: [tensor(5), tensor([5]).sum()],
  nothing: [zeros([0, 2]), zeros([0, 2])],
  truth: [tensor([true, false]), tensor([1, -1]).greater(0)],
  parameters: [parameter(1), parameter(1)],
};

const matchers = ['toEqual', 'toStrictEqual', 'toMatchObject'];
type Matchers = Record<string, (expected: unknown) => void>;

const within = (value: unknown): unknown => ({ y: [value], n: 1 });

describe.each([
  ['as they are', (value: unknown) => value],
  ['within others', within],
])('deep equality of tensors, %s', (_, wrap) => {
  test.each(Object.keys(unequal))('tells apart %s', name => {
    const [a, b] = (unequal[name] as [unknown, unknown]).map(wrap);
    expect(isDeepStrictEqual(a, b)).toBe(false);
    for (const compare of ['deepStrictEqual', 'deepEqual'] as const) {
      expect(() => assert[compare](a, b)).toThrow(assert.AssertionError);
      assert[compare === 'deepEqual' ? 'notDeepEqual' : 'notDeepStrictEqual'](a, b);
    }
    for (const matcher of matchers) {
      expect(() => (expect(a) as unknown as Matchers)[matcher]!(b)).toThrow(/expect/);
      (expect(a).not as unknown as Matchers)[matcher]!(b);
    }
  });
  test.each(Object.keys(equal))('takes for the same: %s', name => {
    const [a, b] = (equal[name] as [unknown, unknown]).map(wrap);
    expect(isDeepStrictEqual(a, b)).toBe(true);
    assert.deepStrictEqual(a, b);
    assert.deepEqual(a, b);
    for (const matcher of matchers) (expect(a) as unknown as Matchers)[matcher]!(b);
  });
});

test('failures print values', () => {
  const [a, b] = [tensor([1.5, 2]), tensor([1.5, 30])];
  expect(() => expect({ y: a }).toEqual({ y: b })).toThrow(/30[\s\S]*2/);
  expect(() => assert.deepStrictEqual(a, b)).toThrow(/tensor\(\[1\.5, {1,3}2\]\)[\s\S]*tensor\(\[ ?1\.5, {1,3}30/);
});

test('tensors without values are like none', () => {
  const [a, b] = [tensor([1]), tensor([1])];
  a.dispose();
  b.dispose();
  expect(isDeepStrictEqual(a, b)).toBe(false);
  const tags: string[] = [];
  class Watching extends nn.Block {
    forward(x: Tensor): Tensor {
      tags.push(Object.prototype.toString.call(x));
      return x;
    }
  }
  const net = new Watching();
  net.initialize();
  net.outputShape([2]);
  net.outputShape([2]);
  expect(new Set(tags).size).toBe(tags.length);
});

test('comparing records nothing', () => {
  const x = tensor([1, 2]).attachGrad();
  const y = autograd.record(() => {
    const squared = x.square();
    assert.deepStrictEqual(squared, tensor([1, 4]));
    return squared.sum();
  });
  y.backward();
  expect(x.grad!.toArray()).toEqual([2, 4]);
});

test('Tensor itself has a tag of its own', () => {
  expect(Object.prototype.toString.call(Object.getPrototypeOf(tensor(1)))).toBe('[object Tensor]');
  expect(Object.prototype.toString.call(Object.getPrototypeOf(parameter(1)))).toBe('[object Parameter]');
});

test('structured clones raise, for they would leave the values after', () => {
  expect(() => structuredClone(tensor([1, 2]))).toThrow(
    /A tensor, whose toTypedArray\(\) can be,.*could not be cloned/s,
  );
  expect(() => structuredClone({ a: [tensor([1, 2])] })).toThrow(/could not be cloned/);
  expect(() => structuredClone(parameter(1))).toThrow(/A parameter, whose data\(\)\.toTypedArray\(\) can be,/);
  expect(() => structuredClone(new nn.Dense(1).collectParams())).toThrow(/A ParameterDict, .* could not be cloned/);
  const { port1, port2 } = new MessageChannel();
  expect(() => port1.postMessage(tensor([1, 2]))).toThrow(/could not be cloned/);
  port1.close();
  port2.close();
  expect(JSON.stringify({ y: tensor([[1, 2]]) })).toBe('{"y":[[1,2]]}');
});

test('a tensor is no list', () => {
  const t = random.normal([2]);
  expect(() => new Trainer(t as never, 'sgd')).toThrow(/Trainer takes/);
  expect(() => io.safetensors.save('never', t as never)).toThrow(/takes tensors by name, but got tensor/);
});
