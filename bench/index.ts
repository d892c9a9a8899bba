/**
 * The benchmark: what this machine gives, what the library makes of it, and what others do. Every figure is taken in
 * rounds in which all contenders take turns, and shown as a ratio or a share: machines are shared, and absolute times
 * prove nothing.
 */
import { join } from 'node:path';
import { listSuites } from './list.js';
import { buildNative } from './native-build.js';
import { readOptions } from './options.js';
import { writeOverview } from './report/folder.js';
import { root } from './root.js';
import { runSuites } from './run.js';
import { suites } from './suites/index.js';

async function main(): Promise<void> {
  const { suites: chosen, list, report, ...options } = readOptions(process.argv.slice(2), suites);
  const results = join(root, 'bench', 'results');
  const print = (text: string): void => console.log(text);
  if (list) {
    print(listSuites(chosen, options));
    return;
  }
  if (report) {
    writeOverview(results);
    return;
  }
  buildNative();
  const problems = await runSuites(chosen, { ...options, results }, print);
  if (problems > 0) process.exitCode = 1;
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
main().catch((error: unknown) => {
  console.error(error instanceof Error ? `${error.name}: ${error.message}` : error);
  process.exitCode = 1;
});
