import { ints, OutputKind, Place, reals, Status, session } from '../../../lib/native/register.js';
import { makeRandom } from '../../support/random.js';
import { type Case, drawCase, operations, partial, views } from './calls.js';
import { type Mutation, mutate } from './mutate.js';
import { DTypes, moreSlots, obtain, request, send } from './request.js';
import { bytes, bytesOf, isClean, type Live, read, showsCanary, sizeOf, World } from './world.js';

const most = 24;
const large = 4096;
const calls = Number(process.argv[2]);
const random = makeRandom(4711);
const world = new World(random);

/** Operations that make no NaN of finite numbers, and nothing new of integers. */
const pure = new Set(
  (
    'neg abs sign square relu floor ceil round sin cos tanh sigmoid softplus cumsum argsort add sub mul maximum minimum where max min sum matmul dense denseGradient ' +
    'reshapeView permute slice broadcastTo take takeGradient gather gatherGradient sliceGradient softmax logSoftmax ' +
    'logSumExp softmaxGradient logSoftmaxGradient crossEntropyGradient'
  ).split(' '),
);
const moves = new Set('maximum minimum where max min reshapeView permute slice broadcastTo take gather'.split(' '));

const statuses = new Map<string, number>();
const succeeded = new Map<string, number>();

function liveBytes(): number {
  session.info();
  return reals[0]!;
}

/** Leaves a pattern in the buffers that the next allocations of a size will get. */
function soil(size: number, pattern: number): void {
  const ids = [0, 1, 2].map(() => obtain(request('fill', { shape: [size], dtype: DTypes.uint8, reals: [pattern] })));
  for (const id of ids) session.release(id);
}

/** Whether a right answer cannot show what surrounds its inputs. */
function isHeldTo({ request: r, inputs }: Case): boolean {
  if (!pure.has(r.name)) return false;
  if (r.inputs.includes(0) || (r.name.startsWith('dense') && r.ints[0]! > 13)) return false;
  return (r.dtype <= DTypes.float64 || moves.has(r.name)) && inputs.every(isClean);
}

/** Whether the values alone, of integers, are reason to refuse a call. */
function mayRefuse({ request: r, inputs }: Case, status: number): boolean {
  if (status === Status.domain) return r.name === 'pow';
  if (status !== Status.overflow || !['sum', 'prod', 'cumsum'].includes(r.name)) return false;
  const [t] = inputs as [Live];
  const list = [...(read(t.id, t.dtype, sizeOf(t.shape)) as Iterable<number>)].map(Math.abs);
  if (r.name === 'prod') return list.reduce((product, x) => product * Math.max(x, 1), 1) >= 2 ** 31;
  return list.reduce((sum, x) => sum + x, 0) >= 2 ** 31;
}

function fresh(c: Case, mutation: Mutation | undefined): number {
  const r = c.request;
  const handle = r.kind !== OutputKind.several && random.next() < 0.2 ? {} : undefined;
  const bytesOut = sizeOf(r.shape.slice(0, Math.max(0, r.rank))) * (bytesOf[r.dtype] ?? 0);
  const fills = !views.includes(r.name);
  // What is already in the memory must not show: the same call on other leftovers gives the same bytes. Some
  // write only a part.
  const whole = Number.isInteger(bytesOut) && bytesOut >= 0;
  const twice = fills && whole && !partial.includes(r.name) && bytesOut < 1e6 && r.shape.length === r.rank;
  let before: Buffer | undefined;
  if (twice) {
    soil(bytesOut, 0x55);
    const id = send(r) === Status.ok ? ints[Place.outputId]! : 0;
    if (id !== 0) before = Buffer.from(bytes(read(id, r.dtype, sizeOf(r.shape))));
    if (id !== 0) for (const more of moreSlots(r)) session.release(more);
    session.release(id);
    soil(bytesOut, 0xaa);
  }
  if (r.kind !== OutputKind.several) r.kind = handle === undefined ? OutputKind.unmanaged : OutputKind.managed;
  const held = liveBytes();
  const status = send(r, handle);
  const id = ints[Place.outputId]!;
  if (status !== Status.ok) {
    if (liveBytes() > held) throw new Error('a call that failed kept memory');
    return status;
  }
  for (const more of moreSlots(r)) session.release(more);
  const from = fills ? undefined : world.lives.find(t => t.id === r.inputs[0]);
  const dtype = from?.dtype ?? r.dtype;
  const shape = r.shape.slice(0, r.rank);
  while (shape.length < r.rank) shape.push(0);
  if (before?.equals(bytes(read(id, dtype, sizeOf(shape)))) === false)
    throw new Error('the result has leftovers in it');
  // A size that is huge beside one of 0 would make the next tensor of its like huge.
  const huge = shape.some(size => size > 1e6);
  if (sizeOf(shape) > large || huge || mutation?.made !== undefined || (mutation !== undefined && !fills)) {
    const seen = from !== undefined && isClean(from) && sizeOf(shape) <= large;
    if (seen && showsCanary({ id, dtype, shape })) throw new Error('a view shows what lies outside its window');
    if (handle === undefined) session.release(id);
    else session.dispose(id);
    return status;
  }
  const result = world.adopt(id, shape, dtype, from, handle);
  if (mutation === undefined && isHeldTo(c) && showsCanary(result)) {
    throw new Error('the result shows what lies outside of its inputs');
  }
  return status;
}

/** What a call that writes into a tensor must leave there: what it makes of a new one. */
function expected({ request: r }: Case): Buffer | undefined {
  if (r.kind !== OutputKind.existing || partial.includes(r.name)) return undefined;
  const target = world.lives.find(t => t.id === r.target);
  if (target === undefined || target.dtype !== r.dtype) return undefined;
  if (send({ ...r, kind: OutputKind.unmanaged, target: 0 }) !== Status.ok) return undefined;
  const id = ints[Place.outputId]!;
  const made = Buffer.from(bytes(read(id, r.dtype, sizeOf(r.shape))));
  session.release(id);
  return made;
}

function step(): void {
  while (world.lives.length > most) world.free(random.pick(world.lives));
  const name = random.pick(operations);
  const c = drawCase(world, name);
  const mutation = random.next() < 0.5 ? mutate(world, c) : undefined;
  const r = c.request;
  const target = mutation?.target ?? c.target;
  let status: number;
  try {
    const held = target !== undefined && isHeldTo(c);
    const wanted = mutation === undefined ? expected(c) : undefined;
    status = r.kind === OutputKind.unmanaged || r.kind === OutputKind.several ? fresh(c, mutation) : send(r);
    for (const id of mutation?.made ?? []) session.release(id);
    world.check(target === undefined ? [] : [target]);
    if (status < 0 || status >= Status.failed) throw new Error(`status ${status}`);
    if (mutation?.wrong === true && status === Status.ok) throw new Error('it had to be refused');
    if (mutation === undefined && status !== Status.ok && !mayRefuse(c, status)) {
      throw new Error(`it was refused with ${status}`);
    }
    if (wanted !== undefined && target !== undefined) {
      if (!wanted.equals(bytes(read(target.id, target.dtype, sizeOf(target.shape)))))
        throw new Error('the target holds something else than a new tensor would');
    }
    if (held && mutation === undefined && target !== undefined && showsCanary(target)) {
      throw new Error('the target shows what lies outside of the inputs');
    }
  } catch (error) {
    throw new Error(`${name}, ${mutation?.what ?? 'unchanged'}: ${JSON.stringify(r)}`, { cause: error });
  }
  if (status === Status.ok) succeeded.set(name, (succeeded.get(name) ?? 0) + 1);
  const kind = `${mutation === undefined ? 'valid' : 'mutated'} ${status}`;
  statuses.set(kind, (statuses.get(kind) ?? 0) + 1);
}

session.setLimit(256e6);
const [bytesBefore, tensorsBefore] = [liveBytes(), reals[3]];
for (let i = 0; i < calls; i++) {
  try {
    step();
  } catch (error) {
    throw new Error(`call ${i}`, { cause: error });
  }
}
while (world.lives.length > 0) world.free(world.lives[0]!);
session.collect();
console.log(
  JSON.stringify({
    keptBytes: liveBytes() - bytesBefore,
    keptTensors: reals[3]! - tensorsBefore!,
    never: operations.filter(name => !succeeded.has(name)),
    statuses: Object.fromEntries(statuses),
  }),
);
