import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { Answer, Hello, Pages, Prepared, Reply, Request, Spec, Timed } from './protocol.js';

/** How a contender's process is started. */
export interface Launch {
  /** What tells this way of starting it from others; empty when there is one only. */
  readonly label: string;
  readonly file: string;
  readonly args: readonly string[];
  /** Variables of its environment beside this process's; those that are undefined it lacks. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** A contender ended, hung or refused; the message says which, and what it was doing. */
export class ContenderError extends Error {
  override readonly name = 'ContenderError';
}

const LAST_WORDS = 600;
const CLOSING_MS = 2000;
const canStop = process.platform !== 'win32';

/** Contenders that still run, so that none outlives the benchmark, however it ends. */
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

interface Waiting {
  resolve(reply: unknown): void;
  reject(error: Error): void;
}

/**
 * A contender's process. Between requests it is stopped, so that threads which spin for work take nothing from whoever
 * is being timed.
 */
export class Contender {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #timeout: number;
  #waiting: Waiting | null = null;
  #doing = 'start';
  #ended: string | null = null;
  #stderr = '';

  /** `timeout`: milliseconds that a request may take. */
  constructor(name: string, launch: Launch, timeout: number) {
    this.name = name;
    this.#timeout = timeout;
    this.#child = spawn(launch.file, launch.args, {
      env: { ...process.env, ...launch.env },
      stdio: ['pipe', 'ignore', 'pipe', 'pipe'],
    });
    const child = this.#child;
    running.add(child);
    child.on('error', error => this.#end(`could not be started: ${error.message}`));
    child.on('close', (code, signal) => this.#end(`ended with ${signal === null ? `exit code ${code}` : signal}`));
    // Writing to a process that just ended is told by its end.
    child.stdin?.on('error', () => undefined);
    child.stderr?.on('data', (data: Buffer) => {
      this.#stderr = (this.#stderr + data).slice(-LAST_WORDS);
    });
    createInterface(child.stdio[3] as Readable).on('line', line => this.#receive(line));
  }

  /** Starts a contender and asks for its version; ends its process again when that fails. */
  static async start(
    name: string,
    launch: Launch,
    timeout: number,
  ): Promise<{ contender: Contender; version: string }> {
    const contender = new Contender(name, launch, timeout);
    try {
      const { version } = await contender.#ask<Hello>({ ask: 'hello' }, 'start');
      return { contender, version };
    } catch (error) {
      await contender.close();
      throw error;
    }
  }

  prepare(spec: Spec, title: string): Promise<Prepared> {
    return this.#ask({ ask: 'prepare', spec }, `prepare ${title}`);
  }

  answer(title: string): Promise<Answer> {
    return this.#ask({ ask: 'answer' }, `answer ${title}`);
  }

  async time(iterations: number, warmup: number, title: string): Promise<number> {
    const { seconds } = await this.#ask<Timed>({ ask: 'time', iterations, warmup }, `run ${title}`);
    if (typeof seconds !== 'number' || !(seconds >= 0))
      throw new ContenderError(`${this.name} was to answer seconds, but answered ${seconds}`);
    return seconds;
  }

  async hugePages(title: string): Promise<number | null> {
    return (await this.#ask<Pages>({ ask: 'pages' }, `tell its pages in ${title}`)).huge;
  }

  /** Ends the process: gently at first, and with SIGKILL when it doesn't heed. */
  async close(): Promise<void> {
    if (this.#ended !== null) return;
    const child = this.#child;
    const closed = new Promise<void>(resolve => child.once('close', () => resolve()));
    const timer = setTimeout(() => child.kill('SIGKILL'), CLOSING_MS);
    child.stdin?.end();
    this.#go();
    await closed;
    clearTimeout(timer);
  }

  #ask<R>(request: Request, doing: string): Promise<R> {
    if (this.#ended !== null) return Promise.reject(new ContenderError(this.#ended));
    return new Promise<R>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#ended = `${this.name} did not answer within ${this.#timeout / 1000} s, asked to ${doing}; it was ended`;
        this.#child.kill('SIGKILL');
        this.#settle(new ContenderError(this.#ended));
      }, this.#timeout);
      this.#doing = doing;
      this.#waiting = {
        resolve: reply => {
          clearTimeout(timer);
          resolve(reply as R);
        },
        reject: error => {
          clearTimeout(timer);
          reject(error);
        },
      };
      this.#child.stdin?.write(`${JSON.stringify(request)}\n`);
      this.#go();
    });
  }

  #receive(line: string): void {
    if (this.#waiting === null) return;
    let reply: Reply;
    try {
      reply = JSON.parse(line) as Reply;
    } catch {
      this.#settle(new ContenderError(`${this.name}, asked to ${this.#doing}, answered no JSON: ${line.slice(0, 80)}`));
      return;
    }
    if (canStop) this.#child.kill('SIGSTOP');
    if ('error' in reply)
      this.#settle(new ContenderError(`${this.name}, asked to ${this.#doing}, failed: ${reply.error}`));
    else {
      const { resolve } = this.#waiting;
      this.#waiting = null;
      resolve(reply.ok);
    }
  }

  #go(): void {
    if (canStop) this.#child.kill('SIGCONT');
  }

  #end(how: string): void {
    running.delete(this.#child);
    const words = this.#stderr.trim();
    this.#ended ??= `${this.name} ${how}, asked to ${this.#doing}${words === '' ? '' : `; its last words: ${words}`}`;
    this.#settle(new ContenderError(this.#ended));
  }

  #settle(error: Error): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.reject(error);
  }
}
