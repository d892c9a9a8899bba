/** The matrix products of a library that is named by its file. */
import { addon } from './addon.js';
import { nativeJob } from './native-job.js';
import { operandsOf, type ProductSpec } from './product.js';
import { serve } from './serve.js';

const blas = addon.openBlas(process.argv[2] as string);

void serve(addon.blasVersion(blas), spec => {
  const product = spec as ProductSpec;
  const { a, b, out } = operandsOf(product);
  const native = addon.blasProduct(blas, product, a, b);
  if (native === null) return { unsupported: `it has no product of ${product.dtype}`, time: () => 0 };
  return nativeJob(addon, native, out);
});
