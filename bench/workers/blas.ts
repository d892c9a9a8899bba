/** The matrix products of a library that is named by its file; `prepacks`, those on operands in a form of its own. */
import { addon } from './addon.js';
import { nativeJob } from './native-job.js';
import { operandsOf, type ProductSpec } from './product.js';
import { serve } from './serve.js';

const blas = addon.openBlas(process.argv[2] as string);
const prepacks = process.argv[3] === 'prepacks';

void serve(addon.blasVersion(blas), spec => {
  const product = spec as ProductSpec;
  const { a, b, out } = operandsOf(product);
  const native = addon.blasProduct(blas, product, a, b, prepacks, product.packed);
  if (native === null) return { unsupported: `it has no product of ${product.dtype}`, time: () => 0 };
  return nativeJob(addon, native, out);
});
