import { session } from '../native/register.js';
import { builtin } from '../support/builtin.js';
import { shownShape } from '../support/check.js';
import { isFloat, newTypedArray } from '../tensor/dtype.js';
import { installTag, internals, type Tensor } from '../tensor/tensor.js';
import { printTensor } from './print.js';

/** How many tensors without values were asked for a digest: each is like no other. */
let without = 0;

/** A text that tells a tensor's values: the same for the same bits, all NaNs being one. Tensors without values have none in common. */
export function digest(t: Tensor): string {
  if (internals.isAbstract(t) || internals.isDisposed(t)) return `without values ${++without}`;
  const array = newTypedArray(t.dtype, t.size);
  session.read(internals.idOf(t), array);
  if (isFloat(t.dtype)) for (let i = 0; i < array.length; i++) if (Number.isNaN(array[i])) array[i] = Number.NaN;
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  return builtin.crypto().createHash('sha256').update(bytes).digest('base64url');
}

/** Values of at most so many elements are shown beside the digest: node:assert prints little else of an object. */
const SHOWN = 100;

installTag(t => {
  const about = t.size <= SHOWN ? printTensor(t).replace(/\s+/g, ' ') : 'Tensor';
  return `${about} ${t.dtype} ${shownShape(t.shape)} ${digest(t)}`;
});
