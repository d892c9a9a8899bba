import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../support/child.js';
import { inFolder } from '../support/nn-helpers.js';
import { full, makeRandom } from '../support/random.js';
import { declaredApi } from './declared.js';

const rounds = full ? 100 : 1;
const calls = full ? 10_000 : 3_000;

test(`${rounds * calls} random calls of the public API crash nothing and raise the library's own errors alone`, () => {
  const api = declaredApi();
  expect(api.length).toBeGreaterThan(400);
  // The sample is the same each time; the whole draws its seeds.
  const seeds = full ? makeRandom(97) : { next: () => 1e-9 };
  inFolder(folder => {
    const declared = join(folder, 'api.json');
    writeFileSync(declared, JSON.stringify(api));
    for (let round = 0; round < rounds; round++) {
      const seed = String(Math.floor(seeds.next() * 2 ** 31));
      const { status, signal, stdout, stderr } = spawnSync(
        process.execPath,
        [
          '--max-old-space-size=1024',
          '-r',
          join(root, 'test', 'support', 'typescript.js'),
          join(root, 'test', 'api', 'fuzz.ts'),
          seed,
          String(calls),
          declared,
          join(root, 'dist', 'index.js'),
        ],
        { encoding: 'utf8', cwd: folder, maxBuffer: 1 << 26, timeout: 600_000 },
      );
      expect({ seed, status, signal, stderr: stderr.slice(-2000) }).toMatchObject({ seed, status: 0, signal: null });
      const { raised, returned, findings } = JSON.parse(stdout.trim().split('\n').at(-1) as string) as Record<
        string,
        never
      >;
      expect(raised).toBeGreaterThan(calls / 10);
      expect(returned).toBeGreaterThan(calls / 10);
      expect({ seed, findings }).toEqual({ seed, findings: [] });
    }
  });
}, 3_600_000);
