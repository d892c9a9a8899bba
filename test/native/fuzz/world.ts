import { ints, Place, reals, Status, session } from '../../../lib/native/register.js';
import type { makeRandom } from '../../support/random.js';
import { DTypes, obtain, type Request, request } from './request.js';

type Elements = Float32Array | Float64Array | Int32Array | Uint8Array;
type Random = ReturnType<typeof makeRandom>;

/** A buffer, read through a slot that sees all of it, and the bytes that it must hold. */
export interface Base {
  readonly slot: { readonly id: number };
  readonly dtype: number;
  readonly length: number;
  bytes: Buffer;
  /** The places that any window may write to. */
  inside: ReadonlySet<number>;
}

export interface Live {
  readonly id: number;
  readonly dtype: number;
  readonly shape: readonly number[];
  readonly base: Base;
  /** The object that a managed slot belongs to. */
  readonly handle: object | undefined;
  /** Where its elements lie, for windows that were made for the purpose. */
  readonly places: ReadonlySet<number> | undefined;
}

const margin = 16;

/** What surrounds every window, by dtype: no input holds it, and no right answer made of such inputs does. */
const canaries = [Number.NaN, Number.NaN, -2000000011, 201, 1] as const;

const makers: readonly ((n: number) => Elements)[] = [
  n => new Float32Array(n),
  n => new Float64Array(n),
  n => new Int32Array(n),
  n => new Uint8Array(n),
  n => new Uint8Array(n),
];
export const bytesOf = [4, 8, 4, 1, 1] as const;

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}

export function contiguousStrides(shape: readonly number[]): number[] {
  return shape.map((_, d) => sizeOf(shape.slice(d + 1)));
}

export function isContiguous(t: Live): boolean {
  session.isContiguous(t.id);
  return ints[Place.outputId] === 1;
}

export function read(id: number, dtype: number, length: number): Elements {
  const into = makers[dtype]!(length);
  const status = session.read(id, into);
  if (status !== Status.ok) throw new Error(`slot ${id} could not be read: ${status}`);
  return into;
}

export function bytes(elements: Elements): Buffer {
  return Buffer.from(elements.buffer, elements.byteOffset, elements.byteLength);
}

function placesOf(shape: readonly number[], stride: readonly number[], offset: number): Set<number> {
  let list = [offset];
  shape.forEach((size, d) => {
    list = list.flatMap(at => Array.from({ length: size }, (_, i) => at + i * stride[d]!));
  });
  return new Set(list);
}

/** The slots that live, each window amid canaries, and what the rest of memory must still hold. */
export class World {
  readonly lives: Live[] = [];
  readonly freed: number[] = [];
  readonly #bases = new Set<Base>();

  constructor(readonly random: Random) {}

  holds(id: number): boolean {
    return this.lives.some(t => t.id === id) || [...this.#bases].some(base => base.slot.id === id);
  }

  /** A new window of a shape: whole, every second element forwards or backwards, or with its dimensions reversed. */
  make(shape: readonly number[], dtype: number, whole = this.random.next() < 0.4): Live {
    const { random } = this;
    const reversed = !whole && random.next() < 0.4;
    const inner = reversed ? shape.toReversed() : [...shape];
    const steps = inner.map(() => (whole ? 1 : random.pick([1, 1, 2, -1, -2])));
    const wide = inner.map((size, d) => (whole ? size : size * Math.abs(steps[d]!) + 1));
    const starts = inner.map((size, d) => (steps[d]! < 0 ? Math.max(0, (size - 1) * -steps[d]!) : whole ? 0 : 1));
    const length = sizeOf(wide) + 2 * margin;
    const baseId = obtain(request('fill', { shape: [length], dtype, reals: [canaries[dtype]!] }));
    const wideStrides = contiguousStrides(wide);
    let id = this.#through('slice', baseId, [sizeOf(wide)], { reals: [margin, 1] }, false);
    id = this.#through('reshapeView', id, wide, {});
    id = this.#through('slice', id, inner, { reals: starts.flatMap((start, d) => [start, steps[d]!]) });
    const stride = inner.map((size, d) => wideStrides[d]! * (size === 1 ? 1 : steps[d]!));
    const offset = starts.reduce((at, start, d) => at + start * wideStrides[d]!, margin);
    if (reversed) {
      id = this.#through('permute', id, [...shape], { ints: shape.map((_, d) => shape.length - 1 - d) });
      stride.reverse();
    }
    const places = placesOf(shape, stride, offset);
    const content = bytes(read(baseId, dtype, length));
    const base: Base = { slot: { id: baseId }, dtype, length, bytes: content, inside: places };
    this.#bases.add(base);
    const live: Live = { id, dtype, shape: [...shape], base, handle: undefined, places };
    this.lives.push(live);
    const wild = random.next() < 0.08;
    this.write(live, () => (wild ? this.#wildValue(dtype) : this.#value(dtype)));
    return live;
  }

  /** A view of a slot that it takes the place of. */
  #through(name: string, from: number, shape: number[], rest: Partial<Request>, release = true): number {
    const id = obtain(request(name, { inputs: [from], shape, ...rest }));
    if (release) session.release(from);
    return id;
  }

  #value(dtype: number): number {
    const { random } = this;
    if (dtype <= DTypes.float64) return random.next() * 4 - 2;
    if (dtype === DTypes.int32) return random.int(-3, 3);
    return random.int(0, dtype === DTypes.bool ? 1 : 9);
  }

  #wildValue(dtype: number): number {
    if (dtype > DTypes.float64) return this.#value(dtype);
    return this.random.pick([0, -0, 1e-40, 3e38, -3e38, Infinity, -Infinity, Number.NaN]);
  }

  write(t: Live, value: () => number): void {
    const from = makers[t.dtype]!(sizeOf(t.shape)).map(value);
    if (session.write(t.id, from) !== Status.ok) throw new Error(`slot ${t.id} could not be written`);
    this.check([t]);
  }

  /** Takes in a slot that a call made: a view of `from`, or a buffer of its own. */
  adopt(id: number, shape: number[], dtype: number, from: Live | undefined, handle: object | undefined): Live {
    let base = from?.base;
    if (base === undefined) {
      const length = sizeOf(shape);
      const inside = new Set(Array.from({ length }, (_, i) => i));
      base = { slot: { id }, dtype, length, bytes: bytes(read(id, dtype, length)), inside };
      this.#bases.add(base);
    }
    const live: Live = { id, dtype, shape, base, handle, places: undefined };
    this.lives.push(live);
    return live;
  }

  /** Frees a slot; one that sees its whole buffer takes its views along. */
  free(t: Live): void {
    const { base } = t;
    const sees = base.slot.id === t.id;
    for (const other of sees ? this.lives.filter(x => x.base === base) : [t]) this.#drop(other);
    if (this.lives.some(x => x.base === base)) return;
    if (!sees) {
      session.release(base.slot.id);
      this.freed.push(base.slot.id);
    }
    this.#bases.delete(base);
  }

  #drop(t: Live): void {
    if (t.handle === undefined) session.release(t.id);
    else session.dispose(t.id);
    this.freed.push(t.id);
    this.lives.splice(this.lives.indexOf(t), 1);
  }

  /** Nothing but the elements of the tensors written may have changed, in any buffer; and all slots are accounted for. */
  check(written: readonly Live[]): void {
    for (const base of this.#bases) {
      const now = bytes(read(base.slot.id, base.dtype, base.length));
      if (now.equals(base.bytes)) continue;
      const mine = written.filter(t => t.base === base).map(t => t.places ?? base.inside);
      const width = bytesOf[base.dtype]!;
      for (let i = 0; i < base.length; i++) {
        const [from, to] = [i * width, (i + 1) * width];
        if (now.compare(base.bytes, from, to, from, to) === 0 || mine.some(set => set.has(i))) continue;
        throw new Error(`element ${i} of ${base.length} after slot ${base.slot.id} was overwritten`);
      }
      base.bytes = now;
    }
    session.info();
    const slots = new Set([...this.lives.map(t => t.id), ...[...this.#bases].map(base => base.slot.id)]).size;
    if (reals[3] !== slots) throw new Error(`${reals[3]} tensors are counted, but ${slots} live`);
  }
}

/** Whether no element is what surrounds windows; floats that are large may turn into NaN by themselves. */
export function isClean(t: Pick<Live, 'id' | 'dtype' | 'shape'>): boolean {
  const list = read(t.id, t.dtype, sizeOf(t.shape));
  if (t.dtype === DTypes.bool) return list.every(x => x <= 1);
  return list.every(x => (t.dtype <= DTypes.float64 ? Math.abs(x) < 1e3 : x !== canaries[t.dtype]));
}

export function showsCanary(t: Pick<Live, 'id' | 'dtype' | 'shape'>): boolean {
  const list = read(t.id, t.dtype, sizeOf(t.shape));
  if (t.dtype === DTypes.bool) return list.some(x => x > 1);
  return list.some(x => (t.dtype <= DTypes.float64 ? Number.isNaN(x) : x === canaries[t.dtype]));
}
