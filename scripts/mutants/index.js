/**
 * Small edits of the sources, one at a time, in a copy of the package: each must fail a test within its suite. One that
 * none notices tells of a test that is missing.
 *
 * LATENT_MUTANTS=text runs those alone whose file, or what they break, has the text.
 */
const { spawn } = require('node:child_process');
const { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { compiler } = require('../compiler.js');
const { copyOfPackage } = require('../copy.js');
const { installPeers } = require('../peers.js');
const { count, root } = require('../steps.js');

/**
 * `from` stands once in `file`, and becomes `to`. The suite is `tests`, paths that jest takes, or `programs` of
 * native/test; `dist`: the tests run the compiled library, so that it is compiled with the edit; `tsan`: the programs are built with ThreadSanitizer.
 *
 * @typedef {{ file: string, from: string, to: string, breaks: string, tests?: string[], programs?: string[], dist?: boolean, tsan?: boolean }} Mutant
 */

/** @type {readonly Mutant[]} */
const list = [
  ...require('./kernels.js'),
  ...require('./runtime.js'),
  ...require('./threads.js'),
  ...require('./binding.js'),
  ...require('./ops.js'),
  ...require('./autograd.js'),
  ...require('./parameters.js'),
  ...require('./training.js'),
  ...require('./data.js'),
  ...require('./files.js'),
  ...require('./onnx.js'),
  ...require('./plans.js'),
];

const minutes = n => n * 60_000;
const TEST_LIMIT = minutes(3);
const BUILD_LIMIT = minutes(20);

/** The programs that run, each with a group of processes of its own. */
const running = new Set();

function endAll() {
  for (const { pid } of running) process.kill(-pid, 'SIGKILL');
}

/** Runs a program to its end or its limit, where all of its processes are ended. */
function run(command, args, cwd, limit, env = {}) {
  return new Promise(resolve => {
    const child = spawn(command, args, {
      cwd,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    if (child.pid !== undefined) running.add(child);
    let output = '';
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      process.kill(-child.pid, 'SIGKILL');
    }, limit);
    const ended = (ok, rest = '') => {
      clearTimeout(timer);
      running.delete(child);
      resolve({ ok, isLate, output: output + rest });
    };
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', data => {
        output += data;
      });
    }
    child.on('error', error => ended(false, String(error)));
    child.on('close', status => ended(status === 0));
  });
}

const isNative = ({ file }) => file.startsWith('native/');

/** The sources of a copy of the package with one edit at a time, and what is built of them. */
class Bench {
  #copy;
  #seed;

  constructor(name, seed) {
    this.#copy = copyOfPackage(name);
    this.#seed = seed;
  }

  at(file) {
    return join(this.#copy, file);
  }

  #builds(tsan) {
    return join(this.#copy, 'build', tsan ? 'tsan' : '');
  }

  /** The addon and plain programs share what they are built of, for one instruction set beside the portable one. */
  async configure(tsan) {
    const cmakeJs = ['--no-install', 'cmake-js', 'configure', '--directory', this.#copy, '--log-level', 'error'];
    const options = ['-DCMAKE_BUILD_TYPE=Release', '-DLATENT_SANITIZE=thread', '-DLATENT_SETS='];
    const made = await (tsan
      ? run('cmake', ['-S', this.#copy, '-B', this.#builds(true), ...options], root, BUILD_LIMIT)
      : run('npx', [...cmakeJs, `--CDLATENT_SETS=${process.arch === 'arm64' ? 'neon' : 'avx2'}`], root, BUILD_LIMIT));
    return made;
  }

  build(targets, tsan = false) {
    const args = ['--build', this.#builds(tsan), '--parallel', '2', '--target', ...targets];
    return run('cmake', args, root, BUILD_LIMIT);
  }

  /** The addon that another has built. */
  takeAddon(other) {
    mkdirSync(this.at('build/Release'), { recursive: true });
    copyFileSync(other.at('build/Release/latent.node'), this.at('build/Release/latent.node'));
  }

  /** Compiles the library, for tests that run it in processes of their own. */
  buildLib() {
    return run(process.execPath, [this.at('scripts/build-lib.js')], this.#copy, BUILD_LIMIT);
  }

  keepLib() {
    rmSync(this.at('build/dist'), { recursive: true, force: true });
    cpSync(this.at('dist'), this.at('build/dist'), { recursive: true });
  }

  /** Brings back the library that was kept. */
  restoreLib() {
    rmSync(this.at('dist'), { recursive: true, force: true });
    cpSync(this.at('build/dist'), this.at('dist'), { recursive: true });
  }

  /** What the compiler says of the library. */
  checkTypes() {
    const unused = ['--noUnusedLocals', 'false', '--noUnusedParameters', 'false'];
    const args = [compiler, '-p', 'tsconfig.build.json', '--noEmit', '--pretty', 'false', ...unused];
    return run(process.execPath, args, this.#copy, BUILD_LIMIT);
  }

  jest(paths, limit = TEST_LIMIT) {
    const bin = join(root, 'node_modules', 'jest', 'bin', 'jest.js');
    return run(process.execPath, [bin, '--rootDir', this.#copy, '--runInBand', '--bail', ...paths], this.#copy, limit, {
      LATENT_TEST_SEED: this.#seed,
      LATENT_TEST_COUNTS: join(this.#copy, 'build', 'jest-counts.json'),
    });
  }

  ctest(programs, tsan = false, limit = TEST_LIMIT) {
    const names = `^(${programs.join('|')})(_(scalar|avx2|avx512|neon))?$`;
    const args = ['--test-dir', this.#builds(tsan), '--no-tests=error', '--stop-on-failure', '-R', names];
    return run('ctest', args, root, limit);
  }

  /** Runs `body` on an edited source. */
  async edited({ file, from, to }, body) {
    const text = readFileSync(this.at(file), 'utf8');
    writeFileSync(
      this.at(file),
      text.replace(from, () => to),
    );
    try {
      return await body();
    } finally {
      writeFileSync(this.at(file), text);
    }
  }
}

/** Why an entry of the list is none; undefined where it is one. */
function mistakeOf(at, { file, from, to, tests, programs, tsan }) {
  if (!existsSync(at(file))) return 'there is no such file';
  const found = readFileSync(at(file), 'utf8').split(from).length - 1;
  if (found !== 1) return `the text that is replaced stands there ${found} times, and not once`;
  if (from === to) return 'it changes nothing';
  if ((tests === undefined) === (programs === undefined)) return 'its suite is tests or programs';
  if (tsan && programs === undefined) return 'ThreadSanitizer is for programs';
  const missing = tests?.find(path => !existsSync(at(path)));
  return missing === undefined ? undefined : `there is no ${missing}`;
}

function report(mutant, ok, verdict) {
  count(ok);
  console.log(`-- ${verdict}: ${mutant.file}: ${mutant.breaks}`);
}

function reportMistake(mutant, mistake) {
  report(mutant, false, 'NO MUTANT');
  console.log(`   ${mistake}`);
}

const seconds = begin => `${((Date.now() - begin) / 1000).toFixed(0)} s`;

/** A step that all others need. */
async function must(title, work) {
  const begin = Date.now();
  const { ok, isLate, output } = await work();
  console.log(`-- ${title}: ${ok ? 'passed' : isLate ? 'TOO LATE' : 'FAILED'}, ${seconds(begin)}`);
  if (!ok) console.log(output);
  return ok;
}

const distinct = lists => [...new Set(lists.flat())];
const programsOf = mutants => distinct(mutants.map(({ programs = [] }) => programs));
const testsOf = mutants => distinct(mutants.map(({ tests = [] }) => tests));

/** Builds the programs, with or without ThreadSanitizer, and runs them on the sources as they are. */
async function preparePrograms(bench, mutants, tsan, targets) {
  const programs = programsOf(mutants);
  if (programs.length + targets.length === 0) return true;
  const how = tsan ? ' with ThreadSanitizer' : '';
  return (
    (await must(`configure${how}`, () => bench.configure(tsan))) &&
    (await must(`build${how}`, () => bench.build([...targets, ...programs], tsan))) &&
    (programs.length === 0 || must(`C++ tests${how}, unedited`, () => bench.ctest(programs, tsan, minutes(10))))
  );
}

/** Compiles what the tests run, and runs them on the sources as they are. */
async function prepareTests(bench, mutants, what) {
  const tests = testsOf(mutants);
  if (tests.length === 0) return true;
  if (!(await must(`compile the library for ${what}`, () => bench.buildLib()))) return false;
  bench.keepLib();
  return must(`TypeScript tests for ${what}, unedited`, () => bench.jest(tests, minutes(20)));
}

/** What the compiler has against the edits of TypeScript, each by itself; those of different files are tried at once. */
async function misspelt(bench, mutants) {
  const wrong = new Map();
  let left = mutants;
  while (left.length > 0) {
    const round = [...new Map(left.toReversed().map(mutant => [mutant.file, mutant])).values()];
    left = left.filter(mutant => !round.includes(mutant));
    const check = round.reduce(
      (inner, mutant) => () => bench.edited(mutant, inner),
      () => bench.checkTypes(),
    );
    const { ok, output } = await check();
    if (ok) continue;
    const lines = output.split('\n');
    for (const mutant of round) {
      const own = lines.find(line => line.startsWith(`${mutant.file}(`));
      if (own !== undefined) wrong.set(mutant, own);
    }
    if (!round.some(mutant => wrong.has(mutant))) throw new Error(output);
  }
  return wrong;
}

/** Builds what an edit changes and runs its suite. */
async function tried(bench, mutant) {
  const { tests, programs, dist, tsan } = mutant;
  const builds = [
    ...(isNative(mutant) ? [() => bench.build(programs ?? ['latent'], tsan)] : []),
    ...(dist ? [() => bench.buildLib()] : []),
  ];
  for (const build of builds) {
    const { ok, output } = await build();
    if (!ok) return { mistake: `it cannot be built: ${output}` };
  }
  const { ok, isLate } = await (programs === undefined ? bench.jest(tests) : bench.ctest(programs, tsan));
  return { isCaught: !ok, isLate };
}

/** Tries one edit after the other; answers those that no test noticed. */
async function tryAll(bench, mutants) {
  const survivors = [];
  for (const mutant of mutants) {
    const begin = Date.now();
    const { mistake, isCaught, isLate } = await bench.edited(mutant, () => tried(bench, mutant));
    if (mutant.dist) bench.restoreLib();
    if (mistake !== undefined) reportMistake(mutant, mistake);
    else
      report(mutant, isCaught, `${isCaught ? 'caught' : 'SURVIVED'}${isLate ? ' by its time' : ''}, ${seconds(begin)}`);
    if (isCaught === false) survivors.push(mutant);
  }
  return survivors;
}

/** What C++ and TypeScript have apart from each other, so that the edits of both are tried at once. */
async function mutants() {
  installPeers();
  console.log('\n== mutants');
  const begin = Date.now();
  process.once('SIGINT', () => process.exit(130));
  process.once('SIGTERM', () => process.exit(143));
  process.once('exit', endAll);
  const wanted = process.env.LATENT_MUTANTS ?? '';
  const chosen = list.filter(({ file, breaks }) => `${file}: ${breaks}`.includes(wanted));
  const seed = process.env.LATENT_TEST_SEED ?? String(Math.floor(Math.random() * 2 ** 31));
  console.log(`sampled tests use LATENT_TEST_SEED=${seed}`);
  const [native, script] = [new Bench('mutants', seed), new Bench('mutants-lib', seed)];
  const mistakes = new Map(
    chosen.map(mutant => [mutant, mistakeOf(file => script.at(file), mutant)]).filter(([, why]) => why !== undefined),
  );
  const known = chosen.filter(mutant => !mistakes.has(mutant));
  for (const [mutant, why] of await misspelt(
    script,
    known.filter(mutant => !isNative(mutant)),
  ))
    mistakes.set(mutant, why);
  for (const [mutant, why] of mistakes) reportMistake(mutant, why);
  const sound = known.filter(mutant => !mistakes.has(mutant));
  const [inC, inScript] = [sound.filter(isNative), sound.filter(mutant => !isNative(mutant))];
  const sanitized = inC.filter(({ tsan }) => tsan);
  const plain = inC.filter(({ tsan }) => !tsan);
  const isReady = await preparePrograms(native, plain, false, ['latent']);
  if (isReady) script.takeAddon(native);
  const lanes = isReady
    ? await Promise.all([
        (async () =>
          (await prepareTests(native, inC, 'C++')) && [
            ...(await tryAll(native, plain)),
            ...((await preparePrograms(native, sanitized, true, [])) ? await tryAll(native, sanitized) : [false]),
          ])(),
        (async () => (await prepareTests(script, inScript, 'TypeScript')) && tryAll(script, inScript))(),
      ])
    : [false];
  const survivors = lanes.flat();
  if (survivors.includes(false)) {
    console.log('-- the sources as they are fail: nothing is known of the edits that were not tried');
    count(false);
  }
  const survived = survivors.filter(mutant => mutant !== false).length;
  console.log(`-- mutants: ${sound.length} tried, ${survived} survived, ${seconds(begin)}`);
}

module.exports = { list, mistakeOf, mutants };
