import { isTensor, type Tensor } from '../tensor/tensor.js';
import { mapTensors } from '../trace/shape-pass.js';

/** The place of a tensor in what a forward takes or returns. */
class Hole {
  constructor(readonly index: number) {}
}

/** Arguments or a result with its tensors taken out. */
export interface Flat {
  readonly tensors: Tensor[];
  readonly frame: unknown;
}

/** Whether a frame is that of one tensor alone. */
export function isOneTensor(frame: unknown): boolean {
  return frame instanceof Hole;
}

/** The names of a frame's places, by keys and numbers from the outside in; [] for one tensor alone. */
export function pathsOf(frame: unknown): (readonly (string | number)[])[] {
  const paths: (readonly (string | number)[])[] = [];
  const look = (value: unknown, path: readonly (string | number)[]): void => {
    if (value instanceof Hole) paths[value.index] = path;
    else if (Array.isArray(value)) for (const [i, item] of value.entries()) look(item, [...path, i]);
    else if (typeof value === 'object' && value !== null && isFrame(value))
      for (const [key, item] of Object.entries(value)) look(item, [...path, key]);
  };
  look(frame, []);
  return paths;
}

/** Takes the tensors out of a value, at any depth of arrays and plain objects, each place by itself. */
export function flatten(value: unknown): Flat {
  if (isTensor(value)) return { tensors: [value], frame: new Hole(0) };
  const tensors: Tensor[] = [];
  const frame = mapTensors(value, t => new Hole(tensors.push(t) - 1));
  return { tensors, frame };
}

/** The value again, with such tensors in it. */
export function fill(frame: unknown, tensors: readonly Tensor[]): unknown {
  if (frame instanceof Hole) return tensors[frame.index];
  if (Array.isArray(frame)) return frame.map(item => fill(item, tensors));
  if (typeof frame === 'object' && frame !== null && isFrame(frame)) {
    return Object.fromEntries(Object.entries(frame).map(([key, item]) => [key, fill(item, tensors)]));
  }
  return frame;
}

function isFrame(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** A part of a frame in which tensors can't be found: an instance of a class, a Map, a Set; null for none. */
export function strangerIn(frame: unknown): object | null {
  if (typeof frame !== 'object' || frame === null || frame instanceof Hole) return null;
  if (!Array.isArray(frame) && !isFrame(frame)) return frame;
  for (const item of Object.values(frame)) {
    const stranger = strangerIn(item);
    if (stranger !== null) return stranger;
  }
  return null;
}

/** Whether two frames are alike: the same structure, and the same values where there are no tensors. */
export function sameFrame(a: unknown, b: unknown): boolean {
  if (a instanceof Hole) return b instanceof Hole && a.index === b.index;
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((item, i) => sameFrame(item, b[i]));
  if (typeof a === 'object' && a !== null && typeof b === 'object' && b !== null && isFrame(a) && isFrame(b)) {
    const [left, right] = [Object.entries(a), Object.entries(b)];
    return (
      left.length === right.length &&
      left.every(([key, item], i) => key === right[i]?.[0] && sameFrame(item, right[i]?.[1]))
    );
  }
  return Object.is(a, b);
}
