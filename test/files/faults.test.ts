import { readdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { autograd, data, FileError, FormatError, io, nn, type Tensor, Trainer, tensor } from '../../lib/index.js';
import { type Call, type Fault, FileFaults, faults, openBelow } from '../support/file-faults.js';
import { inFolder, inFolderAsync, values } from '../support/nn-helpers.js';
import { full, makeRandom } from '../support/random.js';

/** Something that reads or writes files, on a folder that is made ready for it. */
interface Operation {
  /** Puts what it needs into the folder. */
  prepare(folder: string): void;
  run(folder: string): unknown;
  /** The file that it writes, if any. */
  readonly writes?: string;
  /** What tells whether everything is as it was before, where it reads. */
  state?(): string;
}

const makeNet = (salt: number) => {
  const net = new nn.Sequential(new nn.Dense(3, { inUnits: 2 }), new nn.Dense(1, { inUnits: 3 }));
  net.initialize();
  net[0].weight.setData(tensor(values(6, salt), { shape: [3, 2] }));
  return net;
};

function trained(salt: number) {
  const net = makeNet(salt);
  const trainer = new Trainer(net.collectParams(), 'adam');
  autograd.record(() => net(tensor(values(4, salt), { shape: [2, 2] })).sum()).backward();
  trainer.step(2);
  return { net, trainer };
}

const text = (tensors: ReadonlyMap<string, Tensor>) =>
  JSON.stringify([...tensors].map(([name, t]) => [name, t.toArray()]));
const idx = Buffer.from([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 2, 1, 2, 3, 4]);

const net = makeNet(1);
// Loads what the first export loads, which is no work with its files.
net.toOnnx({ inputShape: [-1, 2] });
const target = makeNet(2);
const source = trained(3).trainer;
const other = trained(4).trainer;

/** The states of a trainer, as its file has them. */
function statesOf(trainer: Trainer): string {
  return inFolder(folder => {
    trainer.saveStates(join(folder, 's'));
    return text(io.safetensors.load(join(folder, 's')).tensors);
  });
}

const old = (name: string) => (folder: string) => writeFileSync(join(folder, name), 'the old file');
const operations: Record<string, Operation> = {
  'net.saveParameters': {
    prepare: old('file'),
    run: folder => net.saveParameters(join(folder, 'file')),
    writes: 'file',
  },
  'net.saveParameters where there is no file': {
    prepare: () => undefined,
    run: folder => net.saveParameters(join(folder, 'file')),
    writes: 'file',
  },
  'net.saveParameters through a link': {
    prepare: folder => {
      old('file')(folder);
      symlinkSync('file', join(folder, 'link'));
    },
    run: folder => net.saveParameters(join(folder, 'link')),
    writes: 'file',
  },
  'net.saveParameters through a link to nothing': {
    prepare: folder => symlinkSync('file', join(folder, 'link')),
    run: folder => net.saveParameters(join(folder, 'link')),
    writes: 'file',
  },
  'ParameterDict.save': {
    prepare: old('file'),
    run: folder => net.collectParams().save(join(folder, 'file')),
    writes: 'file',
  },
  'trainer.saveStates': {
    prepare: old('file'),
    run: folder => source.saveStates(join(folder, 'file')),
    writes: 'file',
  },
  'io.safetensors.save': {
    prepare: old('file'),
    run: folder => io.safetensors.save(join(folder, 'file'), { a: tensor(values(40)), b: tensor([1, 2]) }),
    writes: 'file',
  },
  'net.export': {
    prepare: old('file'),
    run: folder => net.export(join(folder, 'file'), { inputShape: [-1, 2] }),
    writes: 'file',
  },
  'net.loadParameters': {
    prepare: folder => net.saveParameters(join(folder, 'file')),
    run: folder => target.loadParameters(join(folder, 'file')),
    state: () => text(new Map([...target.collectParams()].map(([path, p]) => [path, p.data()]))),
  },
  'trainer.loadStates': {
    prepare: folder => source.saveStates(join(folder, 'file')),
    run: folder => other.loadStates(join(folder, 'file')),
    state: () => statesOf(other),
  },
  'io.safetensors.load': {
    prepare: folder => net.saveParameters(join(folder, 'file')),
    run: folder => text(io.safetensors.load(join(folder, 'file')).tensors),
  },
  'io.onnx.load': {
    prepare: folder => writeFileSync(join(folder, 'file'), net.toOnnx({ inputShape: [-1, 2] })),
    run: folder =>
      text(new Map([...io.onnx.load(join(folder, 'file')).collectParams()].map(([k, p]) => [k, p.data()]))),
  },
  'data.readIdx': {
    prepare: folder => writeFileSync(join(folder, 'file'), idx),
    run: folder => JSON.stringify(data.readIdx(join(folder, 'file')).toArray()),
  },
  'data.readIdx of a gzip file': {
    prepare: folder => writeFileSync(join(folder, 'file'), gzipSync(idx)),
    run: folder => JSON.stringify(data.readIdx(join(folder, 'file')).toArray()),
  },
  'data.MNIST': {
    prepare: folder => {
      writeFileSync(
        join(folder, 'train-images-idx3-ubyte.gz'),
        gzipSync(Buffer.from([0, 0, 8, 3, ...[1, 1, 2].flatMap(n => [0, 0, 0, n]), 7, 8])),
      );
      writeFileSync(join(folder, 'train-labels-idx1-ubyte'), Buffer.from([0, 0, 8, 1, 0, 0, 0, 1, 5]));
    },
    run: folder => {
      const { images, labels } = new data.MNIST(folder);
      return JSON.stringify([images.toArray(), labels.toArray()]);
    },
  },
};

/** What an operation did with one call made to fail, or with none. */
interface Outcome {
  readonly calls: readonly Call[];
  readonly failed: boolean;
  readonly result: unknown;
  readonly error: Error | null;
}

async function performed(operation: Operation, folder: string, k: number, fault: Fault): Promise<Outcome> {
  const watch = new FileFaults(k, fault);
  let result: unknown;
  let error: Error | null = null;
  watch.install();
  try {
    result = await operation.run(folder);
  } catch (raised) {
    error = raised as Error;
  } finally {
    watch.remove();
  }
  return { calls: watch.calls, failed: watch.failed, result, error };
}

const contents = (folder: string) =>
  Object.fromEntries(readdirSync(folder).map(name => [name, readOr(join(folder, name))]));
const readOr = (path: string) => {
  try {
    return readFileSync(path, 'base64');
  } catch {
    return 'a link to nothing';
  }
};

/** What stands for the others that go the same way: of these two faults are drawn, of half the others one, unless all are run. */
const whole = new Set(['net.saveParameters', 'net.export', 'io.safetensors.load', 'data.readIdx of a gzip file']);
const random = makeRandom(31);
const drawn = (count: number): Fault[] => {
  const chosen = new Set<Fault>();
  while (chosen.size < count) chosen.add(random.pick(faults));
  return [...chosen];
};

const tried = Object.entries(operations).filter(([name]) => full || whole.has(name) || random.next() < 0.5);
describe.each(tried)('%s', (name, operation) => {
  test.each(full ? faults : drawn(whole.has(name) ? 2 : 1))(
    'holds with each of its calls failing with %s',
    async fault => {
      let hit = 0;
      await inFolderAsync(async folder => {
        operation.prepare(folder);
        const before = contents(folder);
        const stateBefore = operation.state?.();
        const good = await performed(operation, folder, 0, fault);
        expect(good.error).toBe(null);
        const after = contents(folder);
        const stateAfter = operation.state?.();
        for (let k = 1; k <= good.calls.length; k++) {
          await inFolderAsync(async temporary => {
            const own = realpathSync(temporary);
            operation.prepare(own);
            const { failed, error, result } = await performed(operation, own, k, fault);
            if (!failed) return;
            hit++;
            const call = JSON.stringify({ k, ...good.calls[k - 1] });
            expect({ call, open: openBelow(own) }).toEqual({ call, open: [] });
            const found = contents(own);
            if (error === null) {
              expect({ call, result, found }).toEqual({ call, result: good.result, found: after });
              return;
            }
            expect({ call, fault }).not.toEqual({ call, fault: 'EINTR' });
            // A number of bytes that is none tells the end of a file that became shorter, or a disk that takes nothing.
            expect(error).toBeInstanceOf(fault === 'none' && operation.writes === undefined ? FormatError : FileError);
            expect(error.message).toContain(own);
            if (error instanceof FileError) {
              expect(error.cause).toMatchObject({ code: fault === 'none' ? 'EIO' : fault });
              expect(error.message).toContain((error.cause as Error).message);
            }
            expect([before, after]).toContainEqual(found);
            if (error.message.includes('what was there before is unchanged')) expect(found).toEqual(before);
          });
          if (operation.state !== undefined) expect([stateBefore, stateAfter]).toContain(operation.state());
        }
      });
      expect(hit).toBeGreaterThan(0);
    },
  );
});

test.each([...whole])('%s goes on where the system moves a part of the bytes', async name => {
  const operation = operations[name] as Operation;
  const run = (k: number) =>
    inFolderAsync(async folder => {
      operation.prepare(folder);
      const outcome = await performed(operation, folder, k, 'short');
      return { ...outcome, found: contents(folder) };
    });
  const good = await run(0);
  let hit = 0;
  for (let k = 1; k <= good.calls.length; k++) {
    const { failed, error, result, found } = await run(k);
    expect({ error, result, found }).toEqual({ error: null, result: good.result, found: good.found });
    hit += Number(failed);
  }
  expect(hit).toBeGreaterThan(0);
});

test.each(['net.saveParameters', 'net.export'])(
  '%s puts the bytes on the disk before the name, and the name before it is done',
  async name => {
    await inFolderAsync(async temporary => {
      const folder = realpathSync(temporary);
      const operation = operations[name] as Operation;
      operation.prepare(folder);
      const { calls } = await performed(operation, folder, 0, 'EIO');
      const steps = calls
        .map(call => ({
          name: call.name.replace('Sync', ''),
          path: call.path.replace(/\.file\..*\.tmp$/, 'temporary'),
        }))
        .filter(({ name: step }) => /^(open|write|fchmod|fsync|rename|close|unlink)$/.test(step))
        .map(({ name: step, path }) => `${step} ${path === folder ? 'the folder' : path.replace(`${folder}/`, '')}`);
      // However many writes there are.
      const distinct = steps.filter((step, i) => step !== steps[i - 1]);
      expect(distinct).toEqual([
        'open the folder',
        'open temporary',
        'fchmod temporary',
        'write temporary',
        'fsync temporary',
        'close temporary',
        'rename temporary',
        'fsync the folder',
        'close the folder',
      ]);
    });
  },
);
