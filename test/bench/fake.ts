/** A contender that behaves as its first argument says, and has the second for its version. */
import { writeSync } from 'node:fs';
import { calls, type Job, serve } from '../../bench/workers/serve';

const [how, version = ''] = process.argv.slice(2);
const asleep = new Int32Array(new SharedArrayBuffer(4));

function misbehave(): void {
  if (how === 'crash') process.kill(process.pid, 'SIGKILL');
  if (how === 'hang') Atomics.wait(asleep, 0, 0);
  if (how === 'fail') throw new Error('no memory for it');
  if (how === 'garble') writeSync(3, 'good morning\n');
}

if (how === 'not start') {
  console.error('no such instruction');
  process.exit(3);
}

void serve(version, (spec): Job => {
  if (how === 'unable' && spec.kind === 'second') return { unsupported: 'too large', time: () => 0 };
  const values =
    how === 'wrong' ? [1, 2, 4] : how === 'short' ? [1, 2] : how === 'nan' ? [1, 2, Number.NaN] : [1, 2, 3];
  const job = calls(misbehave, () => values);
  // Whatever it really took, so that figures can be told beforehand.
  const seconds = how === 'slow' ? 2e-3 : 1e-3;
  return {
    ...job,
    time(iterations) {
      job.time(1, 0);
      return iterations * seconds;
    },
  };
});
