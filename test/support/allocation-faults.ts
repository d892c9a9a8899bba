import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Ending, root } from './child.js';

const sources = join(root, 'native', 'test', 'faults');

/** The compiler that the addon was built with, where it was built here. */
function compiler(): string {
  const path = join(root, 'build', 'CMakeCache.txt');
  const cache = existsSync(path) ? readFileSync(path, 'utf8') : '';
  return /^CMAKE_CXX_COMPILER:\w+=(.+)$/m.exec(cache)?.[1] ?? 'c++';
}

/**
 * Whether memory requests can be failed here: on Linux with the GNU C library, and not beside a sanitizer, which takes the place
 * of the allocation functions as well.
 */
export function canFail(): boolean {
  const report = process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined;
  return report?.header?.glibcVersionRuntime !== undefined && process.env.LD_PRELOAD === undefined;
}

/** What fails memory requests, in a folder of its own. */
export class Faults {
  readonly #folder = mkdtempSync(join(tmpdir(), 'latent-faults-'));

  constructor() {
    this.#build('allocations.cc', 'allocations.so');
    this.#build('addon.cc', 'faults.node', '-I', require('node-api-headers').include_dir);
  }

  #build(source: string, made: string, ...more: string[]): void {
    const flags = [
      '-std=c++17',
      '-O2',
      '-Wall',
      '-Wextra',
      '-Werror',
      '-shared',
      '-fPIC',
      '-o',
      join(this.#folder, made),
    ];
    execFileSync(compiler(), [...flags, ...more, join(sources, source), '-ldl']);
  }

  /** Runs a TypeScript file of the tests in a process whose memory requests can be failed. */
  run(path: string, args: readonly string[], env: Record<string, string> = {}): Ending {
    const child = spawnSync(
      process.execPath,
      ['--no-warnings', '-r', join(__dirname, 'typescript.js'), join(root, path), ...args],
      {
        encoding: 'utf8',
        maxBuffer: 1 << 28,
        env: {
          ...process.env,
          ...env,
          LD_PRELOAD: join(this.#folder, 'allocations.so'),
          LATENT_TEST_FAULTS: join(this.#folder, 'faults.node'),
        },
      },
    );
    const { status, signal, stdout, stderr } = child;
    return { status, signal, output: status === 0 ? stdout : `${stdout}${stderr.slice(-4000)}` };
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
