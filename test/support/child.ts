import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { full } from './random.js';

export const root = join(__dirname, '..', '..');

/** A child that takes longer is killed, so that its test fails: a run that waits for ever names no test. */
const longest = full ? 1_100_000 : 300_000;

export interface Ending {
  readonly status: number | null;
  readonly signal: string | null;
  readonly output: string;
}

/**
 * Runs a script in a Node process of its own, with `latent` being the compiled library; for what may kill a process. `args`
 * are Node's, `argv` the script's.
 */
export function runScript(
  script: string,
  options: { args?: string[]; argv?: string[]; env?: Record<string, string>; timeout?: number } = {},
): Ending {
  const prelude = `const latent = require(${JSON.stringify(join(root, 'dist', 'index.js'))});\n`;
  const child = spawnSync(
    process.execPath,
    [...(options.args ?? []), '-e', prelude + script, ...(options.argv ?? [])],
    {
      encoding: 'utf8',
      env: { ...process.env, ...options.env },
      maxBuffer: 1 << 26,
      timeout: options.timeout ?? longest,
      killSignal: 'SIGKILL',
    },
  );
  return { status: child.status, signal: child.signal, output: `${child.stdout}${child.stderr}` };
}

/** Runs a TypeScript file of the tests, which may import the library's sources, in a Node process of its own. */
export function runFile(path: string, args: readonly string[]): Ending {
  const loader = join(__dirname, 'typescript.js');
  const child = spawnSync(process.execPath, ['-r', loader, join(root, path), ...args], {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
    timeout: longest,
    killSignal: 'SIGKILL',
  });
  return { status: child.status, signal: child.signal, output: `${child.stdout}${child.stderr}` };
}

/** As `runScript`, for a script that must end well; its output without the newline at its end. */
export function runWell(
  script: string,
  options?: { args?: string[]; argv?: string[]; env?: Record<string, string> },
): string {
  const { status, signal, output } = runScript(script, options);
  if (status !== 0) throw new Error(`the script ended with ${signal ?? status}:\n${output}`);
  return output.trimEnd();
}
