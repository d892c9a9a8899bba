const { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } = require('node:fs');
const { dirname, join } = require('node:path');

const build = join(__dirname, '..', '..', 'build');
const LEAKS = join(build, 'leaks');

/**
 * Leaves the numbers of tests where scripts/test.js adds them to those of the other runners. Test files that leave something
 * after (see environment.js) fail the run.
 */
module.exports = class CountReporter {
  #leaks = [];

  onRunStart() {
    rmSync(LEAKS, { recursive: true, force: true });
  }

  onRunComplete(_contexts, results) {
    if (existsSync(LEAKS)) this.#leaks = readdirSync(LEAKS).map(name => readFileSync(join(LEAKS, name), 'utf8').trim());
    for (const leak of this.#leaks) console.log(`LEAK ${leak}`);
    const file = process.env.LATENT_TEST_COUNTS ?? join(build, 'jest-counts.json');
    mkdirSync(dirname(file), { recursive: true });
    const failed = results.numFailedTests + results.numRuntimeErrorTestSuites + this.#leaks.length;
    writeFileSync(file, JSON.stringify({ passed: results.numPassedTests, failed }));
  }

  getLastError() {
    if (this.#leaks.length > 0) return new Error(`test files left something after:\n${this.#leaks.join('\n')}`);
  }
};
