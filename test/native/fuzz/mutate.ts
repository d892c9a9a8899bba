import { OutputKind } from '../../../lib/native/register.js';
import { type Case, reducing } from './calls.js';
import { obtain, type Request, request } from './request.js';
import { type Live, sizeOf, type World } from './world.js';

const oddInts = [-1, 0, 1, 2, 7, 8, 9, 31, 32, 255, 2 ** 31 - 1, -(2 ** 31)];
const oddReals = [-1, -0.5, 0, 0.5, 1, 2, 3, 2 ** 31, 2 ** 53, -(2 ** 53), 1e308, Infinity, -Infinity, Number.NaN];
const oddSizes = [-1, 0, 1, 2, 3, 0.5, 2 ** 31, 2 ** 32, 2 ** 40, 2 ** 53, 2 ** 54, Infinity, Number.NaN];

/** What a changed call must not do. */
export interface Mutation {
  readonly what: string;
  /** It must be refused. */
  readonly wrong?: boolean;
  /** Slots made for it, to be freed after the call. */
  readonly made?: readonly number[];
  /** What it may write to, if not what the case says. */
  readonly target?: Live;
}

type Mutator = (r: Request, c: Case, world: World) => Mutation | undefined;

/** Operations that refuse an index outside its axis. */
const indexing = ['take', 'takeGradient', 'gather', 'gatherGradient', 'addSlices', 'markRows'];

function replace({ random }: World, list: number[], odd: readonly number[], least = 1): number {
  const i = random.int(0, Math.max(list.length, least) - 1);
  list[i] = random.next() < 0.5 ? (list[i] ?? 0) + random.pick([-1, 1]) : random.pick(odd);
  return i;
}

const mutators: readonly Mutator[] = [
  (r, _, w) => {
    if (r.kind === OutputKind.existing) return undefined;
    // Few calls have more than one result; all must say no to any other number of them.
    r.kind = OutputKind.several;
    r.more = [...(r.more ?? []), [1]].slice(0, w.random.int(0, 3));
    const last = r.more.at(-1);
    if (last !== undefined) replace(w, last, oddSizes);
    return { what: 'more outputs' };
  },
  (r, _, w) => {
    if (r.shape.length === 0) return undefined;
    replace(w, r.shape, oddSizes);
    if (w.random.next() < 0.2) replace(w, r.shape, oddSizes);
    // Sizes that only one of 0 keeps from being too many elements.
    if (w.random.next() < 0.1) r.shape = [2 ** 40, 2 ** 40, 0, 2 ** 40].slice(0, Math.max(2, r.rank));
    r.rank = r.shape.length;
    return { what: 'shape' };
  },
  (r, _, w) => {
    r.rank = w.random.pick([r.rank - 1, r.rank + 1, ...oddInts]);
    return { what: 'rank', wrong: r.kind !== OutputKind.existing && (r.rank < 0 || r.rank > 8) };
  },
  (r, _, w) => {
    r.dtype = w.random.pick([0, 1, 2, 3, 4, 5, -1, 127]);
    return { what: 'dtype', wrong: r.kind !== OutputKind.existing && (r.dtype < 0 || r.dtype > 4) };
  },
  (r, _, w) => {
    replace(w, r.ints, oddInts, 4);
    return { what: 'ints' };
  },
  (r, _, w) => {
    replace(w, r.reals, oddReals, 4);
    return { what: 'reals' };
  },
  (r, _, w) => {
    r.count = w.random.pick([r.count - 1, r.count + 1, ...oddInts]);
    return { what: 'count', wrong: r.count < 0 || r.count > (r.name === 'denseGradient' ? 7 : 3) };
  },
  (r, _, w) => {
    const freed = w.freed.filter(id => !w.holds(id));
    const id = w.random.pick([-1, 2 ** 31 - 1, -(2 ** 31), ...(freed.length > 0 ? [w.random.pick(freed)] : [])]);
    if (r.inputs.length > 0 && w.random.next() < 0.7) r.inputs[w.random.int(0, r.inputs.length - 1)] = id;
    else if (r.kind === OutputKind.existing) r.target = id;
    else return undefined;
    return { what: `slot ${id}`, wrong: true };
  },
  (r, _, w) => {
    if (r.inputs.length === 0) return undefined;
    r.inputs[w.random.int(0, r.inputs.length - 1)] = w.random.pick([0, w.random.pick(w.lives).id]);
    return { what: 'input' };
  },
  (r, _, w) => {
    r.scalarDType = w.random.pick([0, 1, 2, 3, 4, 5, -1]);
    r.scalars = [w.random.pick(oddReals), w.random.pick(oddReals)];
    if (r.inputs.length > 0) r.inputs[r.inputs.length - 1] = 0;
    return { what: 'scalar' };
  },
  (r, _, w) => {
    r.kind = w.random.pick([-1, 4, 2 ** 31 - 1]);
    return { what: 'kind', wrong: true };
  },
  (r, _, w) => {
    const target = w.random.pick(w.lives);
    r.kind = OutputKind.existing;
    r.target = target.id;
    return { what: 'target', target };
  },
  (r, c, w) => {
    const at = c.inputs[r.name === 'markRows' ? 0 : 1];
    if (!indexing.includes(r.name) || at === undefined || at.shape.includes(0)) return undefined;
    const axis = r.name === 'markRows' ? 0 : r.ints[0]!;
    const whole = r.name === 'take' || r.name === 'gather' ? c.inputs[0]!.shape : r.shape;
    const extent = whole[axis]!;
    const one = w.random.int(0, sizeOf(at.shape) - 1);
    const odd = w.random.pick([extent, -extent - 1, 2 ** 31 - 1, -(2 ** 31)]);
    let i = 0;
    w.write(at, () => (i++ === one ? odd : 0));
    return { what: `index ${odd}`, wrong: true };
  },
  // A label that is no class.
  (r, c, w) => {
    const labels = c.inputs.at(-1);
    const x = c.inputs.at(-2);
    if (!r.name.startsWith('crossEntropy') || labels === undefined || x === undefined) return undefined;
    if (labels.shape.includes(0)) return undefined;
    const odd = w.random.pick([x.shape.at(-1)!, -1, 2 ** 31 - 1, -(2 ** 31)]);
    w.write(labels, () => odd);
    return { what: `label ${odd}`, wrong: true };
  },
  // The target begins one element after an input, in the same buffer.
  (r, c) => {
    const from = c.inputs.find(t => r.inputs.includes(t.id) && t.shape.length > 0 && t.shape[0]! > 2);
    if (from === undefined) return undefined;
    const shape = [from.shape[0]! - 1, ...from.shape.slice(1)];
    const reals = shape.flatMap((_, d) => [d === 0 ? 1 : 0, 1]);
    if (shape.includes(0)) return undefined;
    r.kind = OutputKind.existing;
    r.target = obtain(request('slice', { inputs: [from.id], shape, reals }));
    return { what: 'overlap', wrong: true, made: [r.target] };
  },
  // An input that claims more elements than there is memory. Reductions would go through them all.
  (r, c) => {
    const first = c.inputs.find(t => r.inputs.includes(t.id) && t.shape.length < 8 && !t.shape.includes(0));
    if (first === undefined || reducing.includes(r.name)) return undefined;
    const wide = obtain(request('broadcastTo', { inputs: [first.id], shape: [2 ** 38, ...first.shape] }));
    r.inputs[r.inputs.indexOf(first.id)] = wide;
    return { what: 'wide input', made: [wide] };
  },
  (r, c) => {
    const first = c.inputs.find(t => r.inputs.includes(t.id) && t.shape.length < 8);
    if (first === undefined) return undefined;
    const none = obtain(request('broadcastTo', { inputs: [first.id], shape: [0, ...first.shape] }));
    r.inputs[r.inputs.indexOf(first.id)] = none;
    return { what: 'empty input', made: [none] };
  },
];

/** Changes one thing about a call. */
export function mutate(world: World, c: Case): Mutation {
  for (;;) {
    const mutation = world.random.pick(mutators)(c.request, c, world);
    if (mutation !== undefined) return mutation;
  }
}
