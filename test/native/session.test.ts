import { addon } from '../../lib/native/addon.js';
import { ints, OutputKind, opcode, Place, reals, Status, session } from '../../lib/native/register.js';
import { DTypes, obtain, type Request, request, send } from './fuzz/request.js';

/** Calls that the library never makes, for each of which the addon has its own defence. */
const made: number[] = [];

function make(name: string, given: Partial<Request>): number {
  const id = obtain(request(name, given));
  made.push(id);
  return id;
}

function values(id: number, length: number): number[] {
  const into = new Float32Array(length);
  expect(session.read(id, into)).toBe(Status.ok);
  return [...into];
}

function filled(shape: number[], value: number): number {
  return make('fill', { shape, reals: [value] });
}

afterEach(() => {
  for (const id of made.splice(0)) session.release(id);
});

test('a target that overlaps an input in another way than being it is refused, and stays as it is', () => {
  const base = filled([8], 1);
  const [front, back] = [0, 1].map(start => make('slice', { inputs: [base], shape: [7], reals: [start, 1] }));
  const reversed = make('slice', { inputs: [base], shape: [7], reals: [6, -1] });
  for (const input of [front!, reversed]) {
    const overlapping = { inputs: [input], shape: [7], kind: OutputKind.existing, target: back! };
    expect(send(request('neg', overlapping))).toBe(Status.contract);
  }
  expect(values(base, 8)).toEqual(Array(8).fill(1));
  expect(send(request('neg', { inputs: [back!], shape: [7], kind: OutputKind.existing, target: back! }))).toBe(
    Status.ok,
  );
  expect(values(base, 8)).toEqual([1, ...Array(7).fill(-1)]);
});

test('a dense gradient whose flags name more or less than its inputs and outputs is refused', () => {
  const [m, n, k] = [2, 3, 4];
  const [tanh, wantX, hasY, beforeX] = [opcode('tanh'), 1, 8, 16];
  const inputs = [filled([m, n], 1), filled([m, k], 1), filled([n, k], 1), filled([m, n], 0.5), filled([m, k], 1)];
  const status = (inputs: number[], more: number[][], given: number[]) =>
    send(request('denseGradient', { inputs, shape: [m, k], more, ints: given, kind: OutputKind.several }));
  expect(status(inputs, [], [tanh, wantX | hasY | beforeX])).toBe(Status.ok);
  made.push(ints[Place.outputId]!);
  for (let count = 3; count < 5; count++) {
    expect(status(inputs.slice(0, count), [], [tanh, wantX | hasY | beforeX])).toBe(Status.contract);
  }
  expect(status(inputs, [], [tanh, wantX | hasY])).toBe(Status.contract);
  expect(status(inputs, [], [tanh, hasY | beforeX])).toBe(Status.contract);
  expect(status(inputs, [[n, k]], [tanh, wantX | hasY | beforeX])).toBe(Status.contract);
  expect(status(inputs, [], [-1, wantX | hasY | beforeX])).toBe(Status.contract);
});

test('attention of what does not fit is refused', () => {
  const [q, k, v] = [filled([2, 3, 4], 1), filled([2, 5, 4], 1), filled([2, 5, 6], 1)];
  const bool = (shape: number[]) => make('fill', { shape, dtype: DTypes.bool, reals: [1] });
  const status = (inputs: number[], given: Partial<Request> = {}) => {
    const got = send(request('attention', { inputs, shape: [2, 3, 6], reals: [1], ...given }));
    if (got === Status.ok) made.push(ints[Place.outputId]!);
    return got;
  };
  expect(status([q, k, v])).toBe(Status.ok);
  expect(status([q, k, v], { ints: [1] })).toBe(Status.ok);
  expect(status([q, k, v, bool([3, 5])])).toBe(Status.ok);
  const wrong: readonly (readonly [number[], Partial<Request>?])[] = [
    [[q, filled([2, 5, 3], 1), v]],
    [[q, filled([2, 4, 4], 1), v]],
    [[q, filled([3, 5, 4], 1), v]],
    [[q, filled([4], 1), v]],
    [[q, k, filled([5], 1)]],
    [[q, k, v], { shape: [2, 3, 5] }],
    [[q, k, v], { shape: [2, 4, 6] }],
    [[q, k, v], { shape: [1, 3, 6] }],
    [[q, k, v], { dtype: DTypes.float64 }],
    [[filled([2, 6, 4], 1), k, v], { shape: [2, 6, 6], ints: [1] }],
    [[q, k, v, bool([3, 4])]],
    [[q, k, v, bool([2, 5])]],
    [[q, k, v, bool([1, 5])]],
    [[q, k, v, bool([5])]],
    [[q, k, v, bool([3, 3, 5])]],
    [[q, k, v, filled([3, 5], 1)]],
    [[q, k, v, make('fill', { shape: [3, 5], dtype: DTypes.uint8, reals: [1] })]],
  ];
  for (const [inputs, given] of wrong)
    expect([inputs, given, status(inputs, given)]).toEqual([inputs, given, Status.contract]);
});

test('taking what was picked back into what does not fit is refused', () => {
  const [g, whole] = [filled([2, 3], 1), filled([5, 3], 1)];
  const at = make('fill', { shape: [2], dtype: DTypes.int32, reals: [1] });
  for (const [name, indices] of [
    ['takeGradient', at],
    ['gatherGradient', make('fill', { shape: [2, 3], dtype: DTypes.int32, reals: [1] })],
  ] as const) {
    const status = (before: number) => {
      const got = send(request(name, { inputs: [g, indices, before], shape: [5, 3], ints: [0] }));
      if (got === Status.ok) made.push(ints[Place.outputId]!);
      return got;
    };
    expect(status(whole)).toBe(Status.ok);
    for (const other of [filled([4, 3], 1), filled([15], 1), make('fill', { shape: [5, 3], dtype: DTypes.float64 })])
      expect(status(other)).toBe(Status.contract);
  }
});

test('only what goes element by element may write into its own input', () => {
  const n = 9;
  const t = filled([n, n], 2);
  const same = { shape: [n, n], kind: OutputKind.existing, target: t };
  const int = make('fill', { shape: [n, n], dtype: 2, reals: [1] });
  const calls: readonly Partial<Request & { name: string }>[] = [
    { name: 'matmul', inputs: [t, t] },
    { name: 'dense', inputs: [t, t], ints: [-1] },
    { name: 'softmax', inputs: [t] },
    { name: 'sum', inputs: [t], ints: [0], reals: [1] },
    { name: 'cumsum', inputs: [t], ints: [0] },
    { name: 'take', inputs: [t, make('fill', { shape: [n], dtype: 2, reals: [0] })], ints: [0] },
    { name: 'gather', inputs: [t, int], ints: [0] },
    { name: 'sliceGradient', inputs: [t], reals: [0, 1, 0, 1] },
  ];
  for (const { name, ...given } of calls) {
    expect([name, send(request(name!, { ...same, ...given }))]).toEqual([name, Status.contract]);
  }
  expect(values(t, n * n)).toEqual(Array(n * n).fill(2));
  expect(send(request('add', { ...same, inputs: [t, t] }))).toBe(Status.ok);
  expect(values(t, n * n)).toEqual(Array(n * n).fill(4));
});

test('a part of a tensor is written into one that exists', () => {
  const x = filled([2], 1);
  expect(send(request('copyInto', { inputs: [x], shape: [4], ints: [0], reals: [1] }))).toBe(Status.contract);
});

test('sizes beside one of 0 multiply within bounds, too', () => {
  for (const shape of [
    [2 ** 53, 2 ** 53, 2 ** 53, 0],
    [2 ** 30, 0, 2 ** 30],
  ])
    expect(send(request('fill', { shape }))).toBe(Status.contract);
  const none = filled([0], 0);
  expect(send(request('reshapeView', { inputs: [none], shape: [2 ** 33, 2 ** 33, 0] }))).toBe(Status.contract);
  expect(send(request('reshapeView', { inputs: [none], shape: [2 ** 33, 0] }))).toBe(Status.ok);
  made.push(ints[Place.outputId]!);
});

test('random numbers that do not fit their type are refused', () => {
  const draws: readonly Partial<Request & { name: string }>[] = [
    { name: 'randint', dtype: 3, reals: [0, 1000] },
    { name: 'randint', dtype: 2, reals: [4e9, 5e9] },
    { name: 'bernoulli', dtype: 3, reals: [0.5, 300] },
    { name: 'bernoulli', dtype: 2, reals: [0.5, Number.NaN] },
  ];
  for (const { name, ...given } of draws) expect(send(request(name!, { shape: [4], ...given }))).toBe(Status.contract);
  make('randint', { shape: [4], dtype: 3, reals: [0, 256] });
});

test('one-hot sizes whose product wraps around 2^64 do not fit their indices', () => {
  const indices = make('fill', { shape: [2048], dtype: 2, reals: [0] });
  expect(send(request('oneHot', { inputs: [indices], shape: [0, 2 ** 53] }))).toBe(Status.contract);
  expect(send(request('oneHot', { inputs: [indices], shape: [2047, 4] }))).toBe(Status.contract);
});

test('a register that may change its size under the addon is refused', () => {
  const size = ints.buffer.byteLength;
  const Resizable = ArrayBuffer as new (size: number, options: object) => ArrayBuffer;
  expect(addon.openSession(new Resizable(size, { maxByteLength: 2 * size }))).toBeUndefined();
  expect(addon.openSession(new ArrayBuffer(size - 8))).toBeUndefined();
  expect(addon.openSession(new ArrayBuffer(size))).toBeDefined();
});

test('what is kept packed of a weight is older than any write to it', () => {
  const n = 64;
  const weight = filled([n, n], 0.5);
  const x = filled([n, n], 1);
  session.keepPacked(weight);
  // Twice: a version is packed for good when it is read again.
  const product = () => {
    multiply();
    return multiply();
  };
  const multiply = () => {
    expect(send(request('dense', { inputs: [x, weight], shape: [n, n], ints: [-1] }))).toBe(Status.ok);
    made.push(ints[Place.outputId]!);
    return values(ints[Place.outputId]!, n * n)[0];
  };
  const held = () => {
    session.info();
    return reals[0]!;
  };
  // What other tests left behind would go in between.
  session.collect();
  const before = held();
  expect(product()).toBe(32);
  // Each product is n·n floats; what was packed of the weight is as many more.
  expect(held() - before).toBeGreaterThanOrEqual(3 * 4 * n * n);
  session.write(weight, new Float32Array(n * n).fill(0.25));
  expect(product()).toBe(16);
});

test('an input whose handle dies while room is made for the result stays until the call is over', () => {
  expect(send(request('fill', { shape: [2e6], reals: [7] }))).toBe(Status.ok);
  const id = ints[Place.outputId]!;
  (() => session.manage({}, id))();
  session.setLimit(12e6);
  try {
    // 8 MB for the input, which the call still needs, and 8 MB for the result.
    expect(send(request('neg', { inputs: [id], shape: [2e6] }))).toBe(Status.outOfMemory);
  } finally {
    session.setLimit(0);
  }
});

test('an update of marked rows changes those alone, and is refused with marks that are none', () => {
  const [sgd, lamb] = [0, 6];
  const [weight, gradient] = [filled([3, 2], 1), filled([3, 2], 0.5)];
  const [whole, short] = [3, 2].map(size => make('fill', { shape: [size], dtype: DTypes.uint8 }));
  const update = (rule: number, marks: number, kept: number[] = [0, 0, 0]) => {
    const numbers = Float64Array.of(1, 0, 1, Number.POSITIVE_INFINITY, 0, 0, 0, 0, 1, 1, 0, 1, 0, 0, 0);
    return session.update(rule, Int32Array.of(weight, gradient, ...kept, marks), numbers, Number.POSITIVE_INFINITY);
  };
  const all = make('slice', { inputs: [filled([6], 1)], shape: [3], reals: [0, 2] });
  const every = make('fill', { shape: [3, 1], dtype: DTypes.uint8 });
  for (const marks of [short!, all, every, weight]) expect(update(sgd, marks)).toBe(Status.contract);
  expect(update(lamb, whole!, [filled([3, 2], 0), filled([3, 2], 0), 0])).toBe(Status.contract);
  expect(update(sgd, 2 ** 30)).toBe(Status.badHandle);
  expect(values(weight, 6)).toEqual(Array(6).fill(1));

  expect(session.write(whole!, Uint8Array.of(1, 0, 1))).toBe(Status.ok);
  expect(update(sgd, whole!)).toBe(Status.ok);
  expect(values(weight, 6)).toEqual([0.5, 0.5, 1, 1, 0.5, 0.5]);
});

test('a part of a tensor is written within it, into elements that lie one after another', () => {
  const t = filled([2, 3], 0);
  expect(session.writePart(t, Float32Array.of(1, 2), 1)).toBe(Status.ok);
  expect(session.writePart(t, Float32Array.of(3), 5)).toBe(Status.ok);
  expect(session.writePart(t, new Float32Array(), 6)).toBe(Status.ok);
  expect(values(t, 6)).toEqual([0, 1, 2, 0, 0, 3]);
  for (const at of [-1, 5, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, '0'])
    expect(session.writePart(t, Float32Array.of(9, 9), at as number)).toBe(Status.contract);
  expect(session.writePart(t, Float64Array.of(9), 0)).toBe(Status.contract);
  expect(session.writePart(t, {} as never, 0)).toBe(Status.contract);
  expect((session.writePart as (id: number) => number)(t)).toBe(Status.contract);
  expect(session.writePart(2 ** 30, Float32Array.of(9), 0)).toBe(Status.badHandle);
  expect(values(t, 6)).toEqual([0, 1, 2, 0, 0, 3]);
  const turned = make('permute', { inputs: [t], shape: [3, 2], ints: [1, 0] });
  expect(session.writePart(turned, Float32Array.of(9), 0)).toBe(Status.contract);
});

test('temporaries are held by texts, and any may be released', () => {
  for (const wrong of [3, null, {}]) {
    expect(session.holdTemporary(wrong as never)).toBe(Status.contract);
    expect(session.releaseTemporary(wrong as never)).toBe(Status.contract);
  }
  expect(session.releaseTemporary('never held')).toBe(Status.ok);
});
