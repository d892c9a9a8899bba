import { readdirSync, readlinkSync, unlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { OutOfMemoryError } from '../errors.js';
import { Status, session } from '../native/register.js';
import { builtin } from '../support/builtin.js';
import { attempt, codeOf } from '../support/system-errors.js';

/** A name may have 255 bytes; what stands around the file's own takes less than the rest. */
const MOST_OF_NAME = 200;

let machine: string | null = null;

/**
 * Stands for the processes among which a process id is one: those of this machine, and on Linux of this pid namespace.
 * A folder may be shared by others, whose ids mean nothing here.
 */
function machineMark(): string {
  if (machine !== null) return machine;
  let namespace = '';
  const isKnown = attempt(() => {
    namespace = readlinkSync('/proc/self/ns/pid');
  });
  const mark = builtin.crypto().createHash('sha256').update(`${hostname()} ${namespace}`).digest('hex').slice(0, 8);
  if (isKnown) machine = mark;
  return mark;
}

/** How the names of a file's temporaries begin. */
function beginning(to: string): string {
  return `.${Buffer.from(basename(to)).subarray(0, MOST_OF_NAME).toString()}.`;
}

/** A name beside a file that nobody else has; it tells which process the temporary belongs to. */
export function temporaryBeside(to: string): string {
  const own = builtin.crypto().randomBytes(6).toString('hex');
  return join(dirname(to), `${beginning(to)}${machineMark()}-${process.pid}-${own}.tmp`);
}

function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return codeOf(error) === 'ESRCH';
  }
}

/** Removes what processes of this machine that were killed amid a save of the same file have left beside it. */
export function removeLeftovers(to: string): void {
  const start = beginning(to);
  attempt(() => {
    for (const name of readdirSync(dirname(to))) {
      if (!name.startsWith(start)) continue;
      const [, mark, pid] = /^([0-9a-f]{8})-([1-9]\d{0,9})-[0-9a-f]{12}\.tmp$/.exec(name.slice(start.length)) ?? [];
      if (mark !== machineMark() || pid === undefined || !isGone(Number(pid))) continue;
      attempt(() => unlinkSync(join(dirname(to), name)));
    }
  });
}

/** The temporaries of this thread that are not finished. */
const held = new Set<string>();

/** Their descriptors stay: what writes beside the program may still be at it. */
function removeHeld(): void {
  for (const path of held) attempt(() => unlinkSync(path));
}

/**
 * Has a file that is about to be made removed where the thread ends before it is released: a worker by its environment,
 * for no JavaScript runs in one that is terminated; the main thread, whose environment process.exit skips, by its event.
 */
export function holdTemporary(path: string): void {
  if (session.holdTemporary(path) !== Status.ok) throw new OutOfMemoryError(`no memory for the name ${path}`);
  if (held.size === 0) process.on('exit', removeHeld);
  held.add(path);
}

export function releaseTemporary(path: string): void {
  session.releaseTemporary(path);
  held.delete(path);
  if (held.size === 0) process.off('exit', removeHeld);
}
