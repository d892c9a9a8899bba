/** The library's own matrix products, below the binding. */
import { addon } from './addon.js';
import { nativeJob } from './native-job.js';
import { operandsOf, type ProductSpec } from './product.js';
import { serve } from './serve.js';

void serve(`kernels for ${addon.instructionSet}`, spec => {
  const product = spec as ProductSpec;
  addon.setThreads(product.threads);
  const { a, b, out } = operandsOf(product);
  return nativeJob(addon, addon.libraryProduct(product, a, b, product.packed), out);
});
