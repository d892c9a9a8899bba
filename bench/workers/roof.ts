/** What the machine itself can do. */
import type { Roof } from '../suites/roof.js';
import { addon } from './addon.js';
import { nativeJob } from './native-job.js';
import { serve } from './serve.js';

void serve(addon.instructionSet, spec => {
  const { roof, threads } = spec as unknown as { roof: Roof; threads: number };
  addon.setThreads(threads);
  const { job, work } = roof.kind === 'fma' ? addon.fmaPeak(threads) : addon.stream(roof.kind, roof.bytes, threads);
  return { ...nativeJob(addon, job), work };
});
