import { existsSync, readFileSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { compileFunction } from 'node:vm';
import {
  type Answer,
  digest,
  type Hello,
  type Pages,
  type Prepared,
  type Request,
  type Spec,
  type Timed,
} from '../contenders/protocol.js';

/** What a contender does with one case. */
export interface Job {
  /** Why it can't do it; everything else is left alone then. */
  readonly unsupported?: string;
  /** The work of one iteration, where only the contender knows it. */
  readonly work?: number;
  /** The numbers that all contenders must agree on. */
  answer?(): ArrayLike<number> | Promise<ArrayLike<number>>;
  /** Seconds that so many iterations take, after those that only warm up. */
  time(iterations: number, warmup: number): number | Promise<number>;
  /** Gives back what the garbage collector doesn't see. */
  close?(): void;
}

/** A job whose iterations are calls of a function. */
export function calls(body: () => unknown, answer?: Job['answer']): Job {
  return { ...(answer === undefined ? {} : { answer }), time: timer(body, '') };
}

/** As `calls`, for functions that answer a promise. */
export function asyncCalls(body: () => Promise<unknown>, answer?: Job['answer']): Job {
  return { ...(answer === undefined ? {} : { answer }), time: timer(body, 'await') };
}

/**
 * A loop compiled for one body: one that were shared would become slower by some nanoseconds with the fifth body that it
 * sees, and what a body costs would hang on the cases before it.
 */
function timer(body: () => unknown, wait: '' | 'await'): Job['time'] {
  const loop = `return ${wait === '' ? '' : 'async '}function (iterations, warmup) {
    for (let i = 0; i < warmup; i++) sink.value = ${wait} body();
    const start = process.hrtime.bigint();
    for (let i = 0; i < iterations; i++) sink.value = ${wait} body();
    return Number(process.hrtime.bigint() - start) * 1e-9;
  }`;
  return (compileFunction(loop, ['body', 'sink']) as (...given: unknown[]) => Job['time'])(body, sink);
}

/** Where results go, so that nothing is optimised away. */
const sink: { value: unknown } = { value: null };

function hugePages(): number | null {
  const file = '/proc/self/smaps_rollup';
  const found = existsSync(file) ? /^AnonHugePages: *(\d+) kB$/m.exec(readFileSync(file, 'utf8')) : null;
  return found === null ? null : Number(found[1]) * 1024;
}

/** Answers the benchmark's requests until its end of the pipe closes. */
export async function serve(version: string, make: (spec: Spec) => Job | Promise<Job>): Promise<void> {
  let job: Job | null = null;
  const current = (): Job => {
    if (job === null) throw new Error('there is no case yet; prepare comes first');
    return job;
  };
  async function reply(request: Request): Promise<Hello | Prepared | Answer | Timed | Pages> {
    switch (request.ask) {
      case 'hello':
        return { version };
      case 'prepare': {
        job?.close?.();
        job = null;
        job = await make(request.spec);
        return { unsupported: job.unsupported ?? null, ...(job.work === undefined ? {} : { work: job.work }) };
      }
      case 'answer': {
        const { answer } = current();
        if (answer === undefined) throw new Error('this case has no answer');
        return digest(await answer());
      }
      case 'time':
        return { seconds: await current().time(request.iterations, request.warmup) };
      case 'pages':
        return { huge: hugePages() };
    }
  }
  for await (const line of createInterface(process.stdin)) {
    let text: string;
    try {
      text = JSON.stringify({ ok: await reply(JSON.parse(line) as Request) });
    } catch (error) {
      text = JSON.stringify({ error: error instanceof Error ? error.message : String(error) });
    }
    writeSync(3, `${text}\n`);
  }
  process.exit(0);
}
