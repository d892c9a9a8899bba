/**
 * Where each test file runs: Node's environment, and a look at what the file leaves after. Open descriptors, threads beside
 * the pool's and live bytes of tensors must be what they were before; what is not is noted in build/leaks, for the reporter.
 */
const { mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } = require('node:fs');
const { availableParallelism } = require('node:os');
const { join, relative } = require('node:path');
const v8 = require('node:v8');
const vm = require('node:vm');
const { TestEnvironment } = require('jest-environment-node');

const root = join(__dirname, '..', '..');
const LEAKS = join(root, 'build', 'leaks');
/** Node's own pool and the compiler of TypeScript start their threads when they first need them. */
const LATE_THREADS = 4 + availableParallelism();
/** Turns of the event loop that garbage, what finalizes it, and threads that are about to end or to take their names get. */
const TURNS = 100;

v8.setFlagsFromString('--expose-gc');
const collectGarbage = vm.runInNewContext('gc');

/** A session of the addon, in which this process's tensors are counted. */
function openSession() {
  const addon = require(join(root, 'build', 'Release', 'latent.node'));
  const { intPlaces, realPlaces } = addon.protocol.limits;
  const register = new ArrayBuffer(4 * intPlaces + 8 * realPlaces);
  const session = addon.openSession(register);
  const reals = new Float64Array(register, 4 * intPlaces);
  return {
    liveBytes: () => {
      session.collect();
      session.info();
      return reals[0];
    },
  };
}

let session;

/** Files and pipes that are open, by what they lead to. */
function descriptors() {
  return readdirSync('/proc/self/fd')
    .map(fd => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`);
      } catch {
        return ''; // the one by which the folder was read
      }
    })
    .filter(target => target !== '' && !target.startsWith('anon_inode:') && !target.endsWith('/fd'))
    .map(target => target.replace(/\d+/g, 'N'))
    .sort();
}

/** The names of all threads but the pool's. */
function threads() {
  const names = readdirSync('/proc/self/task').map(task => {
    try {
      return readFileSync(`/proc/self/task/${task}/comm`, 'utf8').trim();
    } catch {
      return 'latent'; // ended meanwhile
    }
  });
  return names.filter(name => name !== 'latent');
}

function without(list, others) {
  const left = [...others];
  return list.filter(item => {
    const at = left.indexOf(item);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}

function note(file, left) {
  mkdirSync(LEAKS, { recursive: true });
  writeFileSync(
    join(LEAKS, `${file.replace(/\W/g, '-')}.${Object.keys(left)[0]}`),
    `${file} leaves after ${JSON.stringify(left)}\n`,
  );
}

/** What `measure` answers once it is nothing, or at last. */
async function settled(measure, isNothing) {
  let left = measure();
  for (let turn = 0; turn < TURNS && !isNothing(left); turn++) {
    collectGarbage();
    await new Promise(resolve => setTimeout(resolve, 10));
    left = measure();
  }
  return left;
}

/** The file before: its tensors can only be collected once jest has let go of its modules. */
let previous;

module.exports = class extends TestEnvironment {
  constructor(config, context) {
    super(config, context);
    this.file = relative(root, context.testPath);
  }

  async setup() {
    await super.setup();
    if (process.platform !== 'linux') return;
    session ??= openSession();
    if (previous !== undefined) {
      const { file, bytes } = previous;
      const left = await settled(
        () => session.liveBytes() - bytes,
        n => n <= 0,
      );
      if (left > 0) note(file, { bytes: left });
    }
    previous = { file: this.file, bytes: session.liveBytes() };
    this.before = { descriptors: descriptors(), threads: threads() };
  }

  async teardown() {
    await super.teardown();
    if (process.platform !== 'linux') return;
    const { before, file } = this;
    const opened = await settled(
      () => without(descriptors(), before.descriptors),
      list => list.length === 0,
    );
    if (opened.length > 0) note(file, { descriptors: opened });
    const started = await settled(
      () => without(threads(), before.threads),
      list => list.length <= LATE_THREADS,
    );
    if (started.length > LATE_THREADS) note(file, { threads: started });
  }
};
