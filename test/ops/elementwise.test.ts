import * as latent from '../../lib/index.js';
import {
  ArgumentError,
  DisposedError,
  type DType,
  DTypeError,
  ShapeError,
  type Tensor,
  tensor,
  ValueError,
  zeros,
} from '../../lib/index.js';
import { expectClose } from '../support/close.js';
import { elementFunctions } from '../support/element-functions.js';
import { expectError } from '../support/errors.js';
import {
  broadcast,
  elementwise,
  expectExactly,
  lay,
  layouts,
  layRandom,
  load,
  type Plain,
  promoted,
  randomPlain,
  shapes,
} from '../support/plain.js';
import { makeRandom } from '../support/random.js';

type Function = (...operands: unknown[]) => Tensor;
const library = latent as unknown as Record<string, Function>;
const method = (x: Tensor, name: string) => (x as unknown as Record<string, Function>)[name]!.bind(x) as Function;

describe.each(Object.entries(elementFunctions))('%s', (name, { f, low, high, integers }) => {
  const call = library[name]!;

  test.each(['float32', 'float64'] as const)('%s of every shape and layout', dtype => {
    const random = makeRandom(1);
    for (const shape of shapes) {
      for (const layout of layouts) {
        const [x, plain] = lay(randomPlain(random, shape, dtype, low, high), layout);
        const want = elementwise(f, 'float64', plain);
        const got = call(x);
        expect(got.shape).toEqual(want.shape);
        expect(got.dtype).toBe(dtype);
        expectClose(got, want.data);
        expectClose(method(x, name)(), want.data);
      }
    }
  });

  test.each(['int32', 'uint8', 'bool'] as const)('of %s', dtype => {
    const random = makeRandom(2);
    const [x, plain] = layRandom(random, randomPlain(random, [3, 5], dtype, dtype === 'int32' && low < 0 ? -5 : 1, 9));
    if (integers) {
      expectExactly(call(x), elementwise(f, dtype === 'bool' ? 'int32' : dtype, plain));
    } else {
      const got = call(x);
      expect(got.dtype).toBe('float32');
      expectClose(got, elementwise(f, 'float64', plain).data);
    }
  });

  test('takes tensors only', () => {
    expectError(() => call(2), ArgumentError, `${name} takes a tensor, but got 2`);
    expectError(() => call([1, 2]), ArgumentError, `${name} takes a tensor`);
    const gone = tensor([1, 2]);
    gone.dispose();
    expectError(() => call(gone), DisposedError, 'after it was disposed of');
  });
});

describe('at the edges of the floats', () => {
  const edges = [0, -0, 1, -1, Infinity, -Infinity, Number.NaN];
  /** Functions whose limits Math gives by IEEE's rules; gelu and silu need their own. */
  const limits: Record<string, (x: number) => number> = {
    ...Object.fromEntries(Object.entries(elementFunctions).map(([name, { f }]) => [name, f])),
    relu: x => (Number.isNaN(x) ? x : Math.max(x, 0)),
    softsign: x => (Math.abs(x) === Infinity ? Number.NaN : x / (1 + Math.abs(x))),
  };
  test.each(Object.keys(elementFunctions).filter(name => !['gelu', 'silu', 'softsign'].includes(name)))('%s', name => {
    for (const dtype of ['float32', 'float64'] as const) {
      const got = library[name]!(tensor(edges, { dtype }));
      expectClose(got, edges.map(limits[name]!));
    }
  });

  test.each(['sigmoid', 'softplus', 'tanh', 'silu', 'gelu'])('%s does not overflow into NaN', name => {
    for (const dtype of ['float32', 'float64'] as const) {
      const x = tensor([-1e4, -200, -100, 100, 200, 1e4], { dtype });
      expectClose(library[name]!(x), Array.from(x.toTypedArray(), elementFunctions[name]!.f));
    }
  });

  test.each(['expm1', 'log1p', 'tanh', 'erf', 'softsign', 'silu', 'gelu'])('%s keeps its digits near 0', name => {
    const slope: Record<string, (x: number) => number> = { silu: x => x * elementFunctions.sigmoid!.f(x) };
    for (const [dtype, factor] of [
      ['float32', 16 * 2 ** -23],
      ['float64', 1e-13],
    ] as const) {
      const inputs = Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? 1 : -1) * 1.3 * 10 ** (-i / 4));
      const x = tensor(inputs, { dtype }).toTypedArray();
      const got = library[name]!(tensor(x)).toTypedArray() as ArrayLike<number>;
      x.forEach((value: number, i: number) => {
        const want = (slope[name] ?? elementFunctions[name]!.f)(value);
        expect(Math.abs(got[i]! - want)).toBeLessThanOrEqual(factor * Math.abs(want));
      });
    }
  });
});

test("gelu's approximation by tanh", () => {
  const random = makeRandom(3);
  const approximate = (x: number) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
  for (const dtype of ['float32', 'float64'] as const) {
    const plain = randomPlain(random, [41], dtype, -4, 4);
    expectClose(latent.gelu(load(plain), { approximate: 'tanh' }), elementwise(approximate, 'float64', plain).data);
  }
  const x = tensor([1, 2]);
  expectError(() => latent.gelu(x, { approximate: 'tanhh' } as never), ArgumentError, "did you mean 'tanh'?");
  expectError(() => latent.gelu(x, { aproximate: 'tanh' } as never), ArgumentError, "did you mean 'approximate'?");
});

const wholePower = (a: number, b: number) => Number(BigInt.asIntN(32, BigInt(a) ** BigInt(b)));

const binary: Record<string, (a: number, b: number) => number> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  pow: (a, b) => a ** b,
  maximum: Math.max,
  minimum: Math.min,
};
const compare: Record<string, (a: number, b: number) => number> = {
  equal: (a, b) => Number(a === b),
  notEqual: (a, b) => Number(a !== b),
  less: (a, b) => Number(a < b),
  lessEqual: (a, b) => Number(a <= b),
  greater: (a, b) => Number(a > b),
  greaterEqual: (a, b) => Number(a >= b),
};
const pairs: readonly (readonly [readonly number[], readonly number[]])[] = [
  [[], []],
  [[], [3]],
  [[7], []],
  [
    [3, 5],
    [3, 5],
  ],
  [[3, 5], [5]],
  [
    [3, 1],
    [1, 5],
  ],
  [
    [2, 1, 5],
    [3, 1],
  ],
  [
    [2, 3, 4],
    [2, 1, 1],
  ],
  [[1], [2, 2]],
  [[0], [1]],
  [
    [0, 3],
    [1, 3],
  ],
  [
    [2, 0],
    [2, 1],
  ],
  [[131], [131]],
  [
    [1, 2, 1, 2],
    [3, 1, 2, 1],
  ],
  // Rows so short that many are computed together.
  [[257, 10], [10]],
  [
    [257, 10],
    [257, 1],
  ],
  [
    [3, 130, 7],
    [130, 1],
  ],
  [
    [40, 1, 3],
    [1, 30, 3],
  ],
];

describe.each(Object.entries(binary))('%s', (name, f) => {
  const call = library[name]!;

  test.each(['float32', 'float64'] as const)('%s in every broadcast form', dtype => {
    const random = makeRandom(4);
    for (const [left, right] of pairs) {
      for (let round = 0; round < 3; round++) {
        const [a, pa] = layRandom(random, randomPlain(random, left, dtype, 0.3, 4));
        const [b, pb] = layRandom(random, randomPlain(random, right, dtype, -2, 3));
        const want = elementwise(f, 'float64', pa, pb);
        const got = call(a, b);
        expect(got.shape).toEqual(broadcast(left, right));
        expect(got.dtype).toBe(dtype);
        expectClose(got, want.data);
        expectClose(method(a, name)(b), want.data);
      }
    }
  });

  test('numbers on either side', () => {
    const random = makeRandom(5);
    for (const dtype of ['float32', 'float64'] as const) {
      const [x, plain] = layRandom(random, randomPlain(random, [3, 5], dtype, 0.3, 4));
      expectClose(
        call(x, 1.5),
        plain.data.map(value => f(value, 1.5)),
      );
      expectClose(
        call(1.5, x),
        plain.data.map(value => f(1.5, value)),
      );
      expect(call(x, 1.5).dtype).toBe(dtype);
      expect(call(1.5, x).dtype).toBe(dtype);
    }
  });

  test('promotes as bool < uint8 < int32 < float32 < float64', () => {
    const random = makeRandom(6);
    const types: readonly DType[] = ['bool', 'uint8', 'int32', 'float32', 'float64'];
    for (const da of types) {
      for (const db of types) {
        const [a, pa] = layRandom(random, randomPlain(random, [2, 3], da, 1, 6, true));
        const [b, pb] = layRandom(random, randomPlain(random, [3], db, 1, 3, true));
        const both = promoted(da, db);
        const arithmetic = both === 'bool' ? 'int32' : both;
        const dtype = name === 'div' && !both.startsWith('float') ? 'float32' : arithmetic;
        const got = call(a, b);
        expect(`${da} ${db} ${got.dtype}`).toBe(`${da} ${db} ${dtype}`);
        if (dtype.startsWith('float')) expectClose(got, elementwise(f, 'float64', pa, pb).data);
        else expectExactly(got, elementwise(f, dtype, pa, pb));
      }
    }
  });

  test('a number raises the dtype only from int by a fraction, and bool to int32', () => {
    const floor = name === 'div' ? 'float32' : undefined;
    for (const [dtype, number, want] of [
      ['bool', 2, 'int32'],
      ['bool', 0.5, 'float32'],
      ['uint8', 2, 'uint8'],
      ['uint8', 0.5, 'float32'],
      ['int32', 2, 'int32'],
      ['int32', 0.5, 'float32'],
      ['float32', 0.1, 'float32'],
      ['float64', 0.1, 'float64'],
    ] as const) {
      const values = dtype === 'bool' ? [1, 1, 0] : [3, 4, 2];
      const x = tensor(values, { dtype });
      const result = want.startsWith('float') ? want : (floor ?? want);
      expect(call(x, number).dtype).toBe(result);
      expectClose(
        call(x, number),
        values.map(value => f(value, number)),
      );
    }
  });

  test('misuse', () => {
    const x = zeros([2, 3]);
    expectError(() => call(x, zeros([2])), ShapeError, `${name}: shapes [2, 3] and [2] do not broadcast`);
    expectError(() => call(x, zeros([0, 3])), ShapeError, 'do not broadcast');
    expectError(() => call(1, 2), ArgumentError, 'at least one tensor');
    expectError(() => call(x, '1'), ArgumentError, `${name} takes a tensor, but got '1'`);
    expectError(() => call(x), ArgumentError, 'got undefined');
    expectError(() => call(null, x), ArgumentError, 'got null');
    const gone = tensor([1, 2, 3]);
    gone.dispose();
    expectError(() => call(x, gone), DisposedError, 'after it was disposed of');
    expectError(() => method(gone, name)(x), DisposedError, 'shape [3]');
  });
});

describe('integer arithmetic wraps', () => {
  const most = 2 ** 31 - 1;
  const cases = [
    ['add', 'int32', [most, -most - 1, 5], [1, -1, 7]],
    ['sub', 'int32', [-most - 1, most], [1, -2]],
    ['mul', 'int32', [65537, -46341, 3], [65537, 46341, 4]],
    ['add', 'uint8', [250, 3], [10, 4]],
    ['sub', 'uint8', [0, 9], [1, 4]],
    ['mul', 'uint8', [16, 3], [17, 5]],
  ] as const;
  test.each(cases)('%s of %s', (name, dtype, left, right) => {
    const exact: Record<string, (a: number, b: number) => number> = {
      ...binary,
      mul: (a, b) => Number(BigInt.asIntN(32, BigInt(a) * BigInt(b))),
    };
    const a = { shape: [left.length], dtype, data: left };
    const b = { shape: [right.length], dtype, data: right };
    expectExactly(library[name]!(load(a), load(b)), elementwise(exact[name]!, dtype, a, b));
  });

  test('powers', () => {
    const a = { shape: [5], dtype: 'int32' as const, data: [3, -7, 2, 0, 5] };
    const b = { shape: [5], dtype: 'int32' as const, data: [33, 13, 31, 0, 0] };
    expectExactly(library.pow!(load(a), load(b)), elementwise(wholePower, 'int32', a, b));
    expectError(() => library.pow!(tensor([2], { dtype: 'int32' }), -1), ValueError, 'negative power');
    expectClose(library.pow!(tensor([2], { dtype: 'int32' }), -0.5), [Math.SQRT1_2]);
  });

  test('one operand', () => {
    const least = tensor([-most - 1, 3], { dtype: 'int32' });
    expect(latent.neg(least).toArray()).toEqual([-most - 1, -3]);
    expect(latent.abs(least).toArray()).toEqual([-most - 1, 3]);
    expect(latent.square(tensor([65537], { dtype: 'int32' })).toArray()).toEqual([131073]);
    expect(latent.neg(tensor([1, 0], { dtype: 'uint8' })).toArray()).toEqual([255, 0]);
  });

  test('with a number that its dtype does not hold', () => {
    const bytes = tensor([5, 250], { dtype: 'uint8' });
    expect(bytes.add(-1).toArray()).toEqual([4, 249]);
    expect(bytes.add(300).toArray()).toEqual([49, 38]);
    expect(
      tensor([5], { dtype: 'int32' })
        .add(2 ** 31)
        .toArray(),
    ).toEqual([5 - 2 ** 31]);
  });
});

describe('division', () => {
  test('of integers by zero gives infinities', () => {
    const x = tensor([1, -1, 0], { dtype: 'int32' });
    expectExactly(x.div(tensor([0, 0, 0], { dtype: 'int32' })), {
      shape: [3],
      dtype: 'float32',
      data: [Infinity, -Infinity, Number.NaN],
    });
  });
});

describe('maximum and minimum', () => {
  test('NaN wins on either side, infinities compare', () => {
    for (const dtype of ['float32', 'float64'] as const) {
      const a = tensor([Number.NaN, 1, Infinity, -Infinity, 2], { dtype });
      const b = tensor([1, Number.NaN, 3, 3, 2], { dtype });
      expect(a.maximum(b).toArray()).toEqual([Number.NaN, Number.NaN, Infinity, 3, 2]);
      expect(a.minimum(b).toArray()).toEqual([Number.NaN, Number.NaN, 3, -Infinity, 2]);
    }
  });
});

describe.each(Object.entries(compare))('%s', (name, f) => {
  const call = library[name]!;

  test('in every broadcast form and dtype', () => {
    const random = makeRandom(7);
    for (const [left, right] of pairs) {
      const da = random.pick(['bool', 'uint8', 'int32', 'float32', 'float64'] as const);
      const db = random.pick(['bool', 'uint8', 'int32', 'float32', 'float64'] as const);
      const [a, pa] = layRandom(random, randomPlain(random, left, da, 0, 3, true));
      const [b, pb] = layRandom(random, randomPlain(random, right, db, 0, 3, true));
      expectExactly(call(a, b), elementwise(f, 'bool', pa, pb));
      expectExactly(method(a, name)(b), elementwise(f, 'bool', pa, pb));
      expectExactly(
        call(a, 1),
        elementwise(value => f(value, 1), 'bool', pa),
      );
      expectExactly(
        call(1, b),
        elementwise(value => f(1, value), 'bool', pb),
      );
    }
  });

  test('NaN and infinities', () => {
    const left = [Number.NaN, Number.NaN, Infinity, -Infinity, 0];
    const right = [Number.NaN, 1, Infinity, Infinity, -0];
    for (const dtype of ['float32', 'float64'] as const) {
      const got = call(tensor(left, { dtype }), tensor(right, { dtype }));
      expectExactly(got, { shape: [5], dtype: 'bool', data: left.map((a, i) => f(a, right[i]!)) });
    }
  });

  test('with a number that the dtype does not hold', () => {
    for (const number of [-1, 300, 0.5]) {
      const bytes = tensor([0, 255], { dtype: 'uint8' });
      expect(call(bytes, number).toArray()).toEqual([0, 255].map(value => f(value, number) === 1));
    }
    const ints = tensor([-(2 ** 31), 2 ** 31 - 1], { dtype: 'int32' });
    for (const number of [2 ** 31, -(2 ** 31) - 1]) {
      expect(call(ints, number).toArray()).toEqual([-(2 ** 31), 2 ** 31 - 1].map(value => f(value, number) === 1));
    }
  });

  test('misuse', () => {
    expectError(() => call(zeros([2, 3]), zeros([2])), ShapeError, `${name}: shapes [2, 3] and [2]`);
    expectError(() => call(1, 2), ArgumentError, 'at least one tensor');
    expectError(() => call(zeros([2]), true), ArgumentError, `${name} takes a tensor, but got true`);
  });
});

describe('where', () => {
  test('chooses, with all three broadcast', () => {
    const random = makeRandom(8);
    for (const [sc, sa, sb] of [
      [
        [3, 5],
        [3, 5],
        [3, 5],
      ],
      [[5], [3, 1], [1]],
      [[2, 1, 1], [3, 1], [4]],
      [[], [2, 2], []],
      [[0, 1], [3], [1]],
      [[40, 70], [70], [40, 70]],
      [[70], [40, 1], [40, 70]],
      [[40, 1], [40, 70], [1]],
      [[2, 1500], [], [2, 1500]],
    ] as const) {
      for (const [da, db] of [
        ['float32', 'float32'],
        ['float32', 'float64'],
        ['int32', 'int32'],
        ['uint8', 'uint8'],
        ['uint8', 'int32'],
        ['bool', 'bool'],
      ] as const) {
        const [c, pc] = layRandom(random, randomPlain(random, sc, 'bool', 0, 1));
        const [a, pa] = layRandom(random, randomPlain(random, sa, da, 0, 9));
        const [b, pb] = layRandom(random, randomPlain(random, sb, db, 0, 9));
        const dtype = promoted(da, db);
        expectExactly(
          latent.where(c, a, b),
          elementwise((k, x, y) => (k === 1 ? x : y), dtype, pc, pa, pb),
        );
      }
    }
  });

  test.each(['float32', 'float64', 'int32', 'uint8'] as const)('numbers for values beside many of %s', dtype => {
    const random = makeRandom(9);
    for (const shape of [[3000], [50, 60]]) {
      const [c, pc] = layRandom(random, randomPlain(random, shape, 'bool', 0, 1));
      const [x, px] = layRandom(random, randomPlain(random, shape, dtype, 0, 9));
      const five: Plain = { shape: [], dtype, data: [5] };
      const chosen = (k: number, a: number, b: number) => (k === 1 ? a : b);
      expectExactly(latent.where(c, x, 5), elementwise(chosen, dtype, pc, px, five));
      expectExactly(latent.where(c, 5, x), elementwise(chosen, dtype, pc, five, px));
    }
  });

  test('numbers for values', () => {
    const c = tensor([true, false, true]);
    expectExactly(latent.where(c, tensor([1.5, 2.5, 3.5]), 0), { shape: [3], dtype: 'float32', data: [1.5, 0, 3.5] });
    expectExactly(latent.where(c, 7, tensor([1, 2, 3], { dtype: 'int32' })), {
      shape: [3],
      dtype: 'int32',
      data: [7, 2, 7],
    });
    expectExactly(latent.where(c, 1, 2), { shape: [3], dtype: 'int32', data: [1, 2, 1] });
    expectExactly(latent.where(c, 1, 0.5), { shape: [3], dtype: 'float32', data: [1, 0.5, 1] });
  });

  test('does not let the value that was not chosen through', () => {
    const got = latent.where(tensor([true, false]), tensor([1, Number.NaN]), tensor([Infinity, 2]));
    expect(got.toArray()).toEqual([1, 2]);
  });

  test('misuse', () => {
    const x = zeros([2, 3]);
    expectError(() => latent.where(x, x, x), DTypeError, 'where takes a bool condition, but got float32');
    expectError(() => latent.where(true as never, x, x), ArgumentError, 'where takes a tensor, but got true');
    expectError(() => latent.where(x.greater(0), x, zeros([2])), ShapeError, 'do not broadcast');
    expectError(() => latent.where(zeros([5]).greater(0), x, x), ShapeError, "condition's shape [5]");
  });
});

describe('clip', () => {
  test('bounds each element, in every layout', () => {
    const random = makeRandom(9);
    for (const dtype of ['float32', 'float64', 'int32', 'uint8'] as const) {
      for (const shape of shapes) {
        const [x, plain] = layRandom(random, randomPlain(random, shape, dtype, dtype === 'uint8' ? 0 : -9, 9));
        expectExactly(
          latent.clip(x, -2, 3),
          elementwise(v => Math.min(Math.max(v, -2), 3), dtype, plain),
        );
        expectExactly(
          x.clip(2, Infinity),
          elementwise(v => Math.max(v, 2), dtype, plain),
        );
      }
    }
    expectExactly(tensor([true, false]).clip(0, 3), { shape: [2], dtype: 'int32', data: [1, 0] });
  });

  test('NaN stays, infinities are bounded', () => {
    expect(tensor([Number.NaN, Infinity, -Infinity, 0.3]).clip(0, 0.5).toArray()).toEqual([
      Number.NaN,
      0.5,
      0,
      Math.fround(0.3),
    ]);
  });

  test('bounds outside a byte bound nothing', () => {
    expect(tensor([0, 200, 255], { dtype: 'uint8' }).clip(-5, 300).toArray()).toEqual([0, 200, 255]);
  });

  test('misuse', () => {
    const x = tensor([1, 2, 3]);
    expectError(() => x.clip(3, 1), ArgumentError, 'low ≤ high, but got 3 and 1');
    expectError(() => x.clip(Number.NaN, 1), ArgumentError, 'clip: low takes a number, but got NaN');
    expectError(() => x.clip(0, x as never), ArgumentError, 'clip: high takes a number');
    expectError(() => x.cast('int32').clip(0, 1.5), DTypeError, 'whole bounds for int32');
  });
});

test('a result that no tensor can hold is refused by its shape', () => {
  const column = zeros([1]).broadcastTo([2 ** 30, 1]);
  const row = zeros([1]).broadcastTo([1, 2 ** 30]);
  for (const name of ['add', 'less']) expectError(() => library[name]!(column, row), ShapeError, '2^53');
  expectError(() => latent.where(column.greater(0), row, 1), ShapeError, '2^53');
});

describe('results larger than a cache', () => {
  test.each(['float32', 'float64'] as const)('are right to the last element, in %s', dtype => {
    const [rows, columns] = [800, 503];
    const round = dtype === 'float32' ? Math.fround : (value: number) => value;
    const make = (shape: number[], step: number) =>
      tensor(
        Float64Array.from({ length: shape.reduce((n, size) => n * size) }, (_, i) => ((i * step) % 1009) - 504.25),
        { dtype, shape },
      ) as Tensor;
    const wrong = (got: Tensor, want: (i: number, j: number) => number) =>
      got.toTypedArray().findIndex((value, k) => value !== round(want(Math.floor(k / columns), k % columns)));
    const x = make([rows, columns], 7);
    const [row, column, y] = [make([columns], 3), make([rows, 1], 5), make([rows, columns], 11)];
    const values = (t: Tensor) => t.toTypedArray() as ArrayLike<number>;
    const [vx, vr, vc, vy] = [values(x), values(row), values(column), values(y)];
    const at = (v: ArrayLike<number>, i: number, j: number) => v[i * columns + j]!;
    expect(wrong(x.relu() as Tensor, (i, j) => Math.max(0, at(vx, i, j)))).toBe(-1);
    expect(wrong(x.add(y as never) as Tensor, (i, j) => at(vx, i, j) + at(vy, i, j))).toBe(-1);
    expect(wrong(x.mul(3) as Tensor, (i, j) => at(vx, i, j) * 3)).toBe(-1);
    expect(wrong(x.sub(row as never) as Tensor, (i, j) => at(vx, i, j) - vr[j]!)).toBe(-1);
    expect(wrong(column.maximum(x as never) as Tensor, (i, j) => Math.max(vc[i]!, at(vx, i, j)))).toBe(-1);
    const turned = make([columns, rows], 13);
    const vt = values(turned);
    expect(wrong(turned.transpose().add(x as never) as Tensor, (i, j) => vt[j * rows + i]! + at(vx, i, j))).toBe(-1);
    const [tall, short] = [make([rows * columns, 1], 17), make([3], 19)];
    const [vn, v3] = [values(tall), values(short)];
    const narrow = tall.mul(short as never) as Tensor;
    expect(narrow.toTypedArray().findIndex((v, k) => v !== round(vn[Math.floor(k / 3)]! * v3[k % 3]!))).toBe(-1);
  });
});
