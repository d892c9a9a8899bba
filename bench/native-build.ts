import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { root } from './root.js';

/** Brings the benchmark's addon, and the library's with it, up to date with their sources. Raises when that fails. */
export function buildNative(): void {
  const tool = createRequire(join(root, 'package.json')).resolve('cmake-js/bin/cmake-js');
  const args = [tool, 'build', '--log-level', 'error', '--parallel', '2', '--target', 'latent_bench'];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
  if (status === 0) return;
  throw new Error(`the benchmark's addon could not be built; cmake-js ended with ${status}:\n${stdout}${stderr}`);
}
