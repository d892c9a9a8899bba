import { OutputKind } from '../../../lib/native/register.js';
import { elementFunctions } from '../../support/element-functions.js';
import { DTypes, type Request, request } from './request.js';
import { isContiguous, type Live, sizeOf, type World } from './world.js';

/** A call that must succeed, what it reads, and the tensor that it writes into, if that exists. */
export interface Case {
  readonly request: Request;
  readonly inputs: readonly Live[];
  target?: Live;
}

const sizes = [0, 1, 1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 33];
const floats = [DTypes.float32, DTypes.float64];
const integers = [DTypes.int32, DTypes.uint8];
const numbers = [...floats, ...integers];
const all = [...numbers, DTypes.bool];

function drawShape({ random, lives }: World, least = 0, most = 4): number[] {
  const fits = lives.filter(t => t.shape.length >= least && t.shape.length <= most);
  if (fits.length > 0 && random.next() < 0.5) return [...random.pick(fits).shape];
  const shape: number[] = [];
  for (let rank = random.int(least, most); shape.length < rank; ) {
    const size = random.pick(sizes);
    shape.push(sizeOf(shape) * size > 600 ? 1 : size);
  }
  if (random.next() < 0.01) return [...shape.slice(1).fill(1), 20000].slice(-Math.max(1, least));
  return shape;
}

/** A slot of a shape and dtype: one that lives, if there is any, or a new one. */
function operand(world: World, shape: readonly number[], dtype: number): Live {
  const alike = world.lives.filter(t => t.dtype === dtype && t.shape.join() === shape.join());
  if (alike.length > 0 && world.random.next() < 0.6) return world.random.pick(alike);
  return world.make(shape, dtype);
}

/** Integers from [low, high] in a new window. */
function indices(world: World, shape: readonly number[], low: number, high: number): Live {
  const t = world.make(shape, DTypes.int32);
  world.write(t, () => world.random.int(low, high));
  return t;
}

/** A shape that broadcasts to the one given. */
function narrower({ random }: World, shape: readonly number[]): number[] {
  const some = shape.map(size => (random.next() < 0.25 ? 1 : size));
  return random.next() < 0.25 ? some.slice(random.int(0, shape.length)) : some;
}

function made(name: string, inputs: readonly Live[], shape: readonly number[], dtype: number, rest = {}): Case {
  const ids = inputs.map(t => t.id);
  return { request: request(name, { inputs: ids, shape: [...shape], dtype, ...rest }), inputs };
}

function elementwise(world: World, name: string, dtypes: readonly number[], count: number, dtype?: number): Case {
  const { random } = world;
  const shape = drawShape(world);
  const type = random.pick(dtypes);
  const inputs = Array.from({ length: count }, (_, i) =>
    operand(world, count === 1 || (i === 0 && random.next() < 0.5) ? shape : narrower(world, shape), type),
  );
  const result = made(name, inputs, shape, dtype ?? type, { scalarDType: type });
  if (count === 2 && random.next() < 0.2) {
    result.request.inputs[1] = 0;
    result.request.scalars = [0, random.pick([0, 1, 2, 0.5, -3, 1e30, Number.NaN])];
  }
  return result;
}

function where(world: World): Case {
  const shape = drawShape(world);
  const type = world.random.pick(all);
  const parts = [DTypes.bool, type, type].map(dtype => operand(world, narrower(world, shape), dtype));
  return made('where', parts, shape, type);
}

function reduce(world: World, name: string): Case {
  const { random } = world;
  const type = random.pick(all);
  const x = operand(world, drawShape(world), type);
  const places = name.startsWith('arg');
  let bits = random.int(0, 2 ** x.shape.length - 1);
  const empty = () => x.shape.some((size, d) => size === 0 && ((bits >> d) & 1) === 1);
  const gathers = name === 'sum' || name === 'prod';
  if (empty() && !gathers) bits = 0;
  const kept = x.shape.filter((_, d) => ((bits >> d) & 1) === 0);
  const dtype = places || (gathers && type >= DTypes.int32) ? DTypes.int32 : type;
  return made(name, [x], kept, dtype, { ints: [bits], reals: [1] });
}

function squares(world: World): Case {
  const { random } = world;
  const type = random.pick(floats);
  const x = operand(world, drawShape(world), type);
  const bits = random.int(0, 2 ** x.shape.length - 1);
  const kept = x.shape.filter((_, d) => ((bits >> d) & 1) === 0);
  return made('squares', [x], kept, type, { ints: [bits, random.int(0, 1)], reals: [random.pick([1, 3])] });
}

function matmul(world: World): Case {
  const { random } = world;
  const type = random.pick(floats);
  const [m, k, n] = [random.pick(sizes), random.pick(sizes), random.pick(sizes)];
  const batch = random.pick([[], [], [2], [3, 2], [0]]);
  const a = operand(world, [...narrower(world, batch), m, k], type);
  const b = operand(world, [...narrower(world, batch), k, n], type);
  return made('matmul', [a, b], [...batch, m, n], type);
}

function attention(world: World): Case {
  const { random } = world;
  const type = random.pick(floats);
  const [queries, more, depth, size] = [random.pick(sizes), random.pick(sizes), random.pick(sizes), random.pick(sizes)];
  const keys = queries + more;
  const batch = random.pick([[], [], [2], [3, 2], [0]]);
  const inputs = [
    operand(world, [...narrower(world, batch), queries, depth], type),
    operand(world, [...narrower(world, batch), keys, depth], type),
    operand(world, [...narrower(world, batch), keys, size], type),
  ];
  if (random.int(0, 1) === 0) inputs.push(operand(world, [...narrower(world, batch), queries, keys], DTypes.bool));
  return made('attention', inputs, [...batch, queries, size], type, { ints: [random.int(0, 1)], reals: [0.5] });
}

function dense(world: World): Case {
  const { random } = world;
  const type = random.pick(floats);
  const [m, k, n] = [random.pick(sizes), random.pick(sizes), random.pick(sizes)];
  const inputs = [operand(world, [m, k], type), operand(world, [n, k], type)];
  if (random.next() < 0.6) inputs.push(world.make([n], type, true));
  return made('dense', inputs, [m, n], type, { ints: [random.pick([-1, 11, 12, 13])] });
}

function denseGradient(world: World): Case {
  const { random } = world;
  const type = random.pick(floats);
  const [m, k, n] = [random.pick(sizes), random.pick(sizes), random.pick(sizes)];
  const whole = [[m, k], [n, k], [n]] as const;
  const inputs = [operand(world, [m, n], type), operand(world, [m, k], type), operand(world, [n, k], type)];
  const activation = random.pick([-1, 11, 12, 13]);
  let flags = random.int(1, 7);
  if (activation >= 0) {
    flags |= 8;
    inputs.push(operand(world, [m, n], type));
  }
  const shapes = whole.filter((_, i) => (flags >> i) & 1);
  whole.forEach((shape, i) => {
    if (((flags >> i) & 1) === 0 || random.next() < 0.5) return;
    flags |= 16 << i;
    inputs.push(world.make([...shape], type, true));
  });
  const [first, ...more] = shapes.map(shape => [...shape]);
  const given = { ints: [activation, flags], kind: OutputKind.several, more };
  return made('denseGradient', inputs, first!, type, given);
}

function activationGradient(world: World): Case {
  const shape = drawShape(world);
  const type = world.random.pick(floats);
  const inputs = [operand(world, shape, type), operand(world, shape, type)];
  return made('activationGradient', inputs, shape, type, { ints: [world.random.int(11, 16)] });
}

function clipGradient(world: World): Case {
  const shape = drawShape(world);
  const type = world.random.pick(floats);
  const inputs = [operand(world, shape, type), operand(world, shape, type)];
  return made('clipGradient', inputs, shape, type, { reals: [-1, world.random.pick([1, Infinity])] });
}

function view(world: World, name: string): Case {
  const { random } = world;
  const x = operand(world, drawShape(world), random.pick(all));
  const rank = x.shape.length;
  if (name === 'reshapeView') {
    const flat = isContiguous(x) && random.next() < 0.7;
    return made(name, [x], flat ? [sizeOf(x.shape)] : [1, ...x.shape.flatMap(size => [size, 1])].slice(0, 8), x.dtype);
  }
  if (name === 'permute') {
    const order = x.shape.map((_, d) => d);
    order.forEach((_, d) => {
      const other = random.int(0, d);
      [order[d], order[other]] = [order[other]!, order[d]!];
    });
    const shape = order.map(d => x.shape[d]!);
    return made(name, [x], shape, x.dtype, { ints: order });
  }
  if (name === 'broadcastTo') {
    const shape = x.shape.map(size => (size === 1 ? random.int(0, 4) : size));
    return made(name, [x], random.next() < 0.3 && rank < 8 ? [random.int(1, 3), ...shape] : shape, x.dtype);
  }
  const { shape, numbers: reals } = window(world, x.shape);
  return made(name, [x], shape, x.dtype, { reals });
}

/** A slice of a shape: its sizes, and the start and step of each dimension. */
function window({ random }: World, shape: readonly number[]): { shape: number[]; numbers: number[] } {
  const parts = shape.map(size => {
    if (size === 0) return [0, 0, 1] as const;
    const step = random.pick([1, 1, 2, 3, -1, -2]);
    const start = random.int(0, size - 1);
    const room = step > 0 ? size - 1 - start : start;
    return [random.int(random.pick([0, 1]), 1 + Math.floor(room / Math.abs(step))), start, step] as const;
  });
  return { shape: parts.map(part => part[0]), numbers: parts.flatMap(part => [part[1], part[2]]) };
}

function copy(world: World): Case {
  const shape = drawShape(world);
  return made('copy', [operand(world, narrower(world, shape), world.random.pick(all))], shape, world.random.pick(all));
}

function copyInto(world: World): Case {
  const { random } = world;
  const shape = drawShape(world, 1);
  const axis = random.int(0, shape.length - 1);
  const count = random.int(0, shape[axis]!);
  const start = random.int(0, shape[axis]! - count);
  const x = operand(world, shape.with(axis, count), random.pick(all));
  const result = made('copyInto', [x], shape, random.pick(all), { ints: [axis], reals: [start] });
  return into(result, world.make(shape, result.request.dtype));
}

/** Shapes of an index operation around an axis: the tensor's, the indices', and what is picked. */
function pick(world: World, name: string): Case {
  const { random } = world;
  const gathers = name.startsWith('gather');
  const shape = drawShape(world, 1, 3);
  const axis = random.int(0, shape.length - 1);
  const extent = shape[axis]!;
  const few = random.pick(extent === 0 ? [0] : [0, 1, 3, 8]);
  const along = gathers
    ? shape.map((size, d) => (d === axis ? few : random.int(Math.min(1, size), size)))
    : random.pick([[few], [few, 2], extent === 0 ? [0] : []]);
  const at = indices(world, along, -extent, Math.max(extent - 1, -extent));
  const picked = gathers ? along : [...shape.slice(0, axis), ...along, ...shape.slice(axis + 1)];
  if (name.endsWith('Gradient')) {
    const type = random.pick(floats);
    const operands = [operand(world, picked, type), at];
    if (random.int(0, 2) === 0) operands.push(operand(world, shape, type));
    return made(name, operands, shape, type, { ints: [axis] });
  }
  const x = operand(world, shape, random.pick(all));
  return made(name, [x, at], picked, x.dtype, { ints: [axis] });
}

/** What adds to the rows of a table, marks them, and clears those that are marked. */
function rows(world: World, name: string): Case {
  const { random } = world;
  if (name === 'addSlices') {
    const { request, ...rest } = pick(world, 'takeGradient');
    const adding = { ...request, name, inputs: request.inputs.slice(0, 2), count: 2 };
    return into({ ...rest, request: adding }, world.make(request.shape, request.dtype, true));
  }
  const shape = drawShape(world, 1, 3);
  const [extent] = shape as [number];
  if (name === 'markRows') {
    const few = extent === 0 ? [0] : random.pick([[], [0], [3], [2, 4]]);
    const at = indices(world, few, -extent, Math.max(extent - 1, -extent));
    return into(made(name, [at], [extent], DTypes.uint8), world.make([extent], DTypes.uint8, true));
  }
  const marks = world.make([extent], DTypes.uint8, true);
  world.write(marks, () => random.int(0, 1));
  const type = random.pick(all);
  return into(made(name, [marks], shape, type), world.make(shape, type, true));
}

function oneHot(world: World): Case {
  const shape = drawShape(world, 0, 3);
  const depth = world.random.pick([0, 1, 5, 16]);
  return made('oneHot', [indices(world, shape, -2, 17)], [...shape, depth], world.random.pick(all));
}

function sliceGradient(world: World): Case {
  const shape = drawShape(world);
  const part = window(world, shape);
  const type = world.random.pick(floats);
  return made('sliceGradient', [operand(world, part.shape, type)], shape, type, { reals: part.numbers });
}

/** Running sums, and places in order, of which fewer may be wanted. */
function alongAxis(world: World, name: string): Case {
  const { random } = world;
  const x = operand(world, drawShape(world, 1), random.pick(all));
  const axis = random.int(0, x.shape.length - 1);
  const ints = [axis, random.int(0, 1)];
  if (name === 'cumsum') return made(name, [x], x.shape, x.dtype <= DTypes.float64 ? x.dtype : DTypes.int32, { ints });
  const shape = x.shape.map((size, d) => (d === axis && random.next() < 0.5 ? random.int(0, size) : size));
  return made(name, [x], shape, DTypes.int32, { ints });
}

/** Normalizations, and their gradients with some of the outputs; flags as native/runtime/ops/norm.cc has them. */
function normalization(world: World, name: string): Case {
  const { random } = world;
  const type = random.pick(floats);
  const isRow = name.startsWith('row');
  const isBatch = name.startsWith('batch');
  const shape = drawShape(world, isRow ? 1 : 2);
  const size = isRow ? shape.at(-1)! : shape[1]!;
  const divisors = [1, 2, 3, 4, 5, 7, 8, 9, 11, 16, 17, 33].filter(n => size % n === 0);
  const gradient = name.endsWith('Gradient');
  const inputs = Array.from({ length: gradient ? 2 : 1 }, () => operand(world, shape, type));
  const vector = () => inputs.push(world.make([size], type, true));
  if (isBatch) [0, 1].forEach(vector);
  const groups = random.pick(divisors);
  const rowCount = shape.includes(0) ? 0 : sizeOf(shape.slice(0, -1));
  const moments = [isRow ? rowCount : shape[0]! * groups, 2];
  if (gradient && !isBatch) inputs.push(world.make(moments, type, true));
  let flags = random.pick([0, 4]);
  for (const flag of gradient ? [1] : [1, 2]) {
    if (random.next() < 0.5) continue;
    flags |= flag;
    vector();
  }
  const ints = [flags, groups];
  if (!gradient) {
    const leaves = !isBatch && random.next() < 0.5 ? { kind: OutputKind.several, more: [moments] } : {};
    return made(name, inputs, shape, type, { ints, reals: [0.1], ...leaves });
  }
  const wanted = random.int(1, 7);
  const shapes = [shape, [size], [size]].filter((_, i) => (wanted >> i) & 1).map(one => [...one]);
  const [first, ...more] = shapes;
  ints[0] = flags | (wanted << 3) | random.pick([0, 64]);
  return made(name, inputs, first!, type, { ints, reals: [0.1], kind: OutputKind.several, more });
}

/** Pooling, its gradients, and what is picked where x is largest. */
function pooling(world: World, name: string): Case {
  const { random } = world;
  const type = random.pick(floats);
  const isAverage = name !== 'poolPick' && random.next() < 0.5;
  const size = [random.int(1, 4), random.int(1, 4)];
  const strides = [random.int(1, 3), random.int(1, 3)];
  const padding = size.map(extent => random.int(0, Math.floor(extent / 2)));
  const count = [random.int(1, 5), random.int(1, 5)];
  const front = random.pick([[], [2], [3, 2], [0]]);
  // Rows and columns enough that every window holds an element.
  const large = [
    ...front,
    ...count.map((n, d) => Math.max(1, (n - 1) * strides[d]! - padding[d]! + random.int(1, size[d]!))),
  ];
  const small = [...front, ...count];
  const ints = [Number(isAverage), ...size, ...strides, ...padding, random.int(0, 1)];
  const x = operand(world, large, type);
  if (name === 'pool') {
    if (isAverage || random.next() < 0.5) return made(name, [x], small, type, { ints });
    return made(name, [x], small, type, { ints, kind: OutputKind.several, more: [small] });
  }
  // Some are places, others lie outside or are none.
  const places = world.make(small, type);
  world.write(places, () => random.pick([random.int(0, size[0]! * size[1]!), -1, 0.5, Number.NaN]));
  if (name === 'poolPick') return made(name, [x, places], small, type, { ints });
  const g = operand(world, small, type);
  return made(name, isAverage ? [g] : [g, places], large, type, { ints });
}

/** A convolution or one of its gradients, of any sizes: what lies outside counts as zeros. */
function convolution(world: World, name: string): Case {
  const { random } = world;
  const type = random.pick(floats);
  const groups = random.pick([1, 1, 2, 3]);
  const [batch, channels, filters] = [random.pick([0, 1, 2]), random.pick([0, 1, 2, 5]), random.pick([0, 1, 2, 9])];
  const pair = (low: number, high: number) => [random.int(low, high), random.int(low, high)];
  const x = [batch, channels * groups, ...pair(0, 9)];
  const y = [batch, filters * groups, ...pair(0, 8)];
  const weight = [filters * groups, channels, ...pair(0, 4)];
  const ints = [...pair(1, 3), ...pair(0, 3), ...pair(1, 3), groups, -1];
  const whole: { [name: string]: readonly [number[][], number[], number[]] } = {
    conv: [[x, weight], [filters * groups], y],
    convData: [[y, weight], [channels * groups], x],
    convWeights: [[y, x], weight, weight],
  };
  const [operands, third, result] = whole[name]!;
  if (name === 'conv') ints[7] = random.pick([-1, 11, 12, 13, 14]);
  const inputs = operands.map(shape => operand(world, shape, type));
  if (random.next() < 0.6) inputs.push(operand(world, third, type));
  return made(name, inputs, result, type, { ints });
}

/** A recurrent layer over a sequence, or its gradient. */
function recurrence(world: World, name: string): Case {
  const { random } = world;
  const type = random.pick(floats);
  const kind = name.replace('Gradient', '') as 'lstm' | 'gru' | 'rnn';
  const [gates, states, kept] = { lstm: [4, 2, 5], gru: [3, 1, 4], rnn: [1, 1, 0] }[kind] as [number, number, number];
  const [steps, batch, size] = [random.int(0, 4), random.int(0, 3), random.int(0, 5)];
  const whole = (shape: readonly number[]) => world.make(shape, type, true);
  const [wide, out, state] = [
    [steps, batch, gates * size],
    [steps + states, batch, size],
    [batch, size],
  ];
  const weight = whole([gates * size, size]);
  const bias = kind === 'gru' ? [whole([gates * size])] : [];
  const lengths = random.next() < 0.4;
  const ints = [random.int(0, 1), Number(lengths), random.pick([11, 13])];
  const last: Live[] = [];
  if (lengths) {
    const list = world.make([batch], DTypes.int32, true);
    world.write(list, () => random.int(0, steps));
    last.push(list);
  }
  const work = kept === 0 ? [] : [[kept, steps, batch, size]];
  if (name === kind) {
    const inputs = [whole(wide), weight, ...bias, ...Array.from({ length: states }, () => whole(state)), ...last];
    if (kept === 0 || random.next() < 0.5) return made(name, inputs, out, type, { ints });
    return made(name, inputs, out, type, { ints, kind: OutputKind.several, more: work });
  }
  const cell = kind === 'lstm' ? [whole(state)] : [];
  const inputs = [whole(out), whole(out), ...work.map(whole), weight, ...cell, ...last];
  const more = [...(kind === 'gru' ? [wide] : []), ...Array.from({ length: states }, () => state)];
  return made(name, inputs, wide, type, { ints, kind: OutputKind.several, more });
}

function moments(world: World): Case {
  const shape = drawShape(world, 2).map(size => Math.max(size, 1));
  const x = operand(world, shape, world.random.pick(floats));
  return made('batchMoments', [x], [2, shape[1]!], x.dtype);
}

function softmax(world: World, name: string): Case {
  const type = world.random.pick(floats);
  const shape = drawShape(world, 1);
  const count = name.endsWith('Gradient') ? 2 : 1;
  const inputs = Array.from({ length: count }, () => operand(world, shape, type));
  return made(name, inputs, name === 'logSumExp' ? shape.slice(0, -1) : shape, type);
}

function crossEntropy(world: World, name: string): Case {
  const shape = drawShape(world, 1);
  // Without classes there is no label to give.
  if (shape.at(-1) === 0) shape[0] = shape.length === 1 ? 3 : 0;
  const x = operand(world, shape, world.random.pick(floats));
  const labels = indices(world, shape.slice(0, -1), 0, Math.max(0, shape.at(-1)! - 1));
  const ints = [world.random.int(0, 1)];
  if (name === 'crossEntropy') return made(name, [x, labels], labels.shape, x.dtype, { ints });
  const g = operand(world, labels.shape, x.dtype);
  return made(name, [g, x, labels], shape, x.dtype, { ints });
}

/** Any numbers as labels, in a range that refuses none. */
function labelled(world: World, name: string): Case {
  const shape = drawShape(world);
  const dtype = world.random.pick(floats);
  const inputs = [operand(world, shape, dtype), operand(world, shape, dtype)];
  const ints = [0, world.random.int(0, 1)];
  return made(name, inputs, shape, dtype, { ints, reals: [-Infinity, Infinity] });
}

function drawn(world: World, name: string): Case {
  const { random } = world;
  const ints = Array.from({ length: 6 }, () => random.int(0, 2 ** 31 - 1));
  if (name === 'permutation') return made(name, [], [random.pick(sizes)], DTypes.int32, { ints });
  if (name === 'eye') {
    return made(name, [], [random.pick(sizes), random.pick(sizes)], random.pick(all), { ints: [random.int(-4, 4)] });
  }
  const low = name === 'randint' ? 0 : random.int(-3, 0);
  const dtypes = name === 'randint' ? numbers : name === 'bernoulli' || name === 'fill' ? all : floats;
  return made(name, [], drawShape(world), random.pick(dtypes), { ints, reals: [low, random.int(1, 5)] });
}

/** The same call, writing into a tensor that exists. */
export function into(result: Case, target: Live): Case {
  result.request.kind = OutputKind.existing;
  result.request.target = target.id;
  result.target = target;
  return result;
}

/** The functions of one element that have integer kernels, or that have none. */
function functionsOf(integers: boolean): string {
  const names = Object.keys(elementFunctions);
  return names.filter(name => (elementFunctions[name]?.integers ?? false) === integers).join(' ');
}

type Generator = (world: World, name: string) => Case;

const reductions: readonly (readonly [string, Generator])[] = [
  ['sum prod max min argmax argmin', reduce],
  ['squares', squares],
];

const table: readonly (readonly [string, Generator])[] = [
  [functionsOf(true), (w, name) => elementwise(w, name, numbers, 1)],
  [`geluTanh ${functionsOf(false)}`, (w, name) => elementwise(w, name, floats, 1)],
  ['add sub mul pow maximum minimum', (w, name) => elementwise(w, name, numbers, 2)],
  ['div', (w, name) => elementwise(w, name, floats, 2)],
  ['equal notEqual less lessEqual greater greaterEqual', (w, name) => elementwise(w, name, all, 2, DTypes.bool)],
  [
    'clip',
    (w, name) => {
      const result = elementwise(w, name, numbers, 1);
      result.request.reals = [w.random.pick([-1, 0, -Infinity]), w.random.pick([1, 2.5, Infinity])];
      return result;
    },
  ],
  [
    'inRange',
    (w, name) => {
      const result = elementwise(w, name, floats, 1);
      result.request.reals = [-Infinity, Infinity];
      return result;
    },
  ],
  ['labelProduct sigmoidCrossEntropy', labelled],
  ['where', where],
  ...reductions,
  ['cumsum argsort', alongAxis],
  ['matmul', matmul],
  ['attention', attention],
  ['dense', dense],
  ['denseGradient', denseGradient],
  ['activationGradient', activationGradient],
  ['clipGradient', clipGradient],
  ['reshapeView permute slice broadcastTo', view],
  ['copy', copy],
  ['copyInto', copyInto],
  ['take takeGradient gather gatherGradient', pick],
  ['addSlices markRows clearRows', rows],
  ['oneHot', oneHot],
  ['sliceGradient', sliceGradient],
  ['rowNorm rowNormGradient groupNorm groupNormGradient batchNorm batchNormGradient', normalization],
  ['batchMoments', moments],
  ['pool poolGradient poolPick', pooling],
  ['conv convData convWeights', convolution],
  ['lstm lstmGradient gru gruGradient rnn rnnGradient', recurrence],
  ['softmax logSoftmax logSumExp softmaxGradient logSoftmaxGradient', softmax],
  ['crossEntropy crossEntropyGradient', crossEntropy],
  ['fill eye uniform normal randint bernoulli permutation', drawn],
];

/** What goes element by element, and may write into its own input. */
const mapped = new Set(
  table
    .slice(0, table.findIndex(([names]) => names === 'where') + 1)
    .flatMap(([names]) => names.split(' '))
    .concat('activationGradient', 'clipGradient', 'copy'),
);

const generators = new Map(table.flatMap(([names, f]) => names.split(' ').map(name => [name, f] as const)));
/** What writes only a part of a tensor that exists. */
export const partial = ['copyInto', 'addSlices', 'markRows', 'clearRows'];
/** Operations that read whole axes for each element of a result, however small that is. */
export const reducing = reductions.flatMap(([names]) => names.split(' '));
export const views = ['reshapeView', 'permute', 'slice', 'broadcastTo'];
export const operations = [...generators.keys()];

/** A call of an operation that must succeed, into a new tensor or an old one. */
export function drawCase(world: World, name: string): Case {
  const { random } = world;
  const result = generators.get(name)!(world, name);
  const several = result.request.kind === OutputKind.several;
  if (several || views.includes(name) || result.target !== undefined || random.next() < 0.55) return result;
  const { shape, dtype } = result.request;
  const [first] = result.inputs;
  const inPlace =
    mapped.has(name) && first !== undefined && first.dtype === dtype && first.shape.join() === shape.join();
  if (
    inPlace &&
    random.next() < 0.5 &&
    isContiguous(first) &&
    result.inputs.every(t => t === first || t.base !== first.base)
  ) {
    return into(result, first);
  }
  // Most operations write contiguous tensors only; these take any.
  return into(result, world.make(shape, dtype, !['copy', 'fill'].includes(name)));
}
