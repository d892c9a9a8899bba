import { sameShape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import type { Owner } from '../trace/shape-pass.js';

function bytesOf(t: Tensor): Buffer {
  const { buffer, byteOffset, byteLength } = t.toTypedArray() as NodeJS.TypedArray;
  return Buffer.from(buffer, byteOffset, byteLength);
}

/** Whether a forward that was evaluated twice had the same numbers there; what is no constant is the same whoever reads it. */
export function sameConstant(a: Owner | undefined, b: Owner | undefined): boolean {
  if (a?.isConstant !== true && b?.isConstant !== true) return true;
  if (a?.isConstant !== b?.isConstant) return false;
  const [x, y] = [(a as Owner).data(), (b as Owner).data()];
  return x.dtype === y.dtype && sameShape(x.shape, y.shape) && bytesOf(x).equals(bytesOf(y));
}
