/**
 * Holds the library to reference values: every case of every .json file of a folder, in float32 and in float64.
 * `npm run golden -- FOLDER`; test/golden by default. Exits with 1 when a case failed, or when none ran.
 */
import * as latent from 'latent';
import { floats, readFolder, runCase } from './golden-cases.js';

const folder = process.argv[2] ?? 'test/golden';
let ran = 0;
let failed = 0;

for (const [file, cases] of readFolder(folder)) {
  const count = { passed: 0, failed: 0, none: 0 };
  for (const c of cases) {
    for (const dtype of floats) {
      try {
        count[runCase(latent, c, dtype) === 'ran' ? 'passed' : 'none']++;
      } catch (error) {
        count.failed++;
        console.log(`${file}: ${c.name} in ${dtype}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  }
  const total = count.passed + count.failed;
  console.log(
    `${file}: ${total} ran, ${count.passed} passed, ${count.failed} failed, ${count.none} with no counterpart yet`,
  );
  ran += total;
  failed += count.failed;
}

console.log(`in all: ${ran} ran, ${ran - failed} passed, ${failed} failed`);
process.exitCode = failed > 0 || ran === 0 ? 1 : 0;
