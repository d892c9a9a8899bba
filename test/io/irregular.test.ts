import { spawnSync } from 'node:child_process';
import { lstatSync, mkdirSync, readdirSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { ArgumentError, data, FileError, io, nn, Trainer } from '../../lib/index.js';
import { runScript } from '../support/child.js';
import { inFolder, inFolderAsync, thrown } from '../support/nn-helpers.js';
import { full, makeRandom } from '../support/random.js';

const net = new nn.Dense(1, { inUnits: 1 });
net.initialize();

const saves: Record<string, (path: string) => unknown> = {
  'net.saveParameters': path => net.saveParameters(path),
  'trainer.saveStates': path => new Trainer(net.collectParams(), 'adam').saveStates(path),
  'io.safetensors.save': path => io.safetensors.save(path, {}),
  'net.export': path => net.export(path, { inputShape: [1, 1] }),
};

async function failure(body: () => unknown): Promise<Error> {
  try {
    await body();
  } catch (error) {
    return error as Error;
  }
  throw new Error('expected an error, but none was thrown');
}

describe.each(Object.entries(saves))('%s onto what is no regular file raises, and touches nothing', (_, save) => {
  test('a pipe, also through a link', async () => {
    await inFolderAsync(async folder => {
      spawnSync('mkfifo', [join(folder, 'pipe')]);
      symlinkSync('pipe', join(folder, 'link'));
      for (const name of ['pipe', 'link']) {
        const error = await failure(() => save(join(folder, name)));
        expect(error).toBeInstanceOf(FileError);
        expect(error.message).toBe(
          `Cannot write ${join(folder, name)}: it is a pipe, and only a regular file can be replaced`,
        );
      }
      expect(statSync(join(folder, 'pipe')).isFIFO()).toBe(true);
      expect(lstatSync(join(folder, 'link')).isSymbolicLink()).toBe(true);
      expect(readdirSync(folder)).toEqual(['link', 'pipe']);
    });
  });

  test('a folder, a device, and links in a circle', async () => {
    await inFolderAsync(async folder => {
      mkdirSync(join(folder, 'sub'));
      symlinkSync('one', join(folder, 'two'));
      symlinkSync('two', join(folder, 'one'));
      expect((await failure(() => save(join(folder, 'sub')))).message).toMatch(/it is a folder/);
      expect((await failure(() => save('/dev/null'))).message).toMatch(/it is a device/);
      const error = await failure(() => save(join(folder, 'one')));
      expect([error instanceof FileError, (error.cause as { code: string }).code]).toEqual([true, 'ELOOP']);
      expect(readdirSync(folder)).toEqual(['one', 'sub', 'two']);
    });
  });
});

test('a file whose name is as long as names may be is saved', () => {
  inFolder(folder => {
    const name = 'n'.repeat(255);
    net.saveParameters(join(folder, name));
    expect(readdirSync(folder)).toEqual([name]);
    const wide = 'é'.repeat(127);
    net.saveParameters(join(folder, wide));
    expect(readdirSync(folder).length).toBe(2);
  });
});

test('a relative path is one', () => {
  inFolder(folder => {
    const before = process.cwd();
    process.chdir(folder);
    try {
      net.saveParameters('here');
    } finally {
      process.chdir(before);
    }
    expect(readdirSync(folder)).toEqual(['here']);
  });
});

describe('reading what is no regular file raises at once', () => {
  const reads = [
    ['net.loadParameters', 'new latent.nn.Dense(1).loadParameters(path)'],
    ['trainer.loadStates', "new latent.Trainer(new latent.nn.Dense(1).collectParams(), 'adam').loadStates(path)"],
    ['io.safetensors.load', 'latent.io.safetensors.load(path)'],
    ['io.onnx.load', 'latent.io.onnx.load(path)'],
    ['data.readIdx', 'latent.data.readIdx(path)'],
    ['data.MNIST', 'new latent.data.MNIST(process.argv[2])'],
  ] as const;
  test.each(full ? reads : [makeRandom(53).pick(reads)])('%s', (_, body) => {
    inFolder(folder => {
      const path = join(folder, 'train-images-idx3-ubyte');
      for (const name of [path, join(folder, 'train-labels-idx1-ubyte')]) spawnSync('mkfifo', [name]);
      const { output } = runScript(
        `for (const path of [process.argv[1], ${body.includes('MNIST') ? '' : "'/dev/zero', '/dev'"}]) {
          try { ${body}; } catch (error) { console.log(error.code, error.message); }
        }`,
        { argv: [path, folder], timeout: 20_000 },
      );
      const lines = [
        `Cannot read ${path}: it is a pipe`,
        'Cannot read /dev/zero: it is a device',
        'Cannot read /dev: it is a folder',
      ];
      const wanted = body.includes('MNIST') ? lines.slice(0, 1) : lines;
      expect(output.trimEnd().split('\n')).toEqual(
        wanted.map(line => `ERR_LATENT_FILE ${line}, and only a regular file is read`),
      );
    });
  });

  test('and lets nobody who waits to write into a pipe through', () => {
    inFolder(folder => {
      const path = join(folder, 'pipe');
      spawnSync('mkfifo', [path]);
      const writer = `const fs = require('node:fs'); const child = require('node:child_process').spawn('sh', ['-c', 'echo text > "$0"', process.argv[1]]);
        let ended = false; child.on('exit', () => { ended = true; });
        setTimeout(() => {
          try { latent.io.safetensors.load(process.argv[1]); } catch {}
          setTimeout(() => { console.log(ended); child.kill('SIGKILL'); }, 100);
        }, 100);`;
      expect(runScript(writer, { argv: [path] }).output.trimEnd()).toBe('false');
    });
  });
});

const loads: Record<string, (path: string) => unknown> = {
  'net.loadParameters': path => net.loadParameters(path),
  'trainer.loadStates': path => new Trainer(net.collectParams(), 'adam').loadStates(path),
  'io.safetensors.load': path => io.safetensors.load(path),
  'io.onnx.load': path => io.onnx.load(path),
  'data.readIdx': path => data.readIdx(path),
  'new data.MNIST': path => new data.MNIST(path),
};

test.each([
  ['safetensors.fromBytes', io.safetensors.fromBytes],
  ['io.onnx.fromBytes', io.onnx.fromBytes],
  ['safetensors.fromBytes', (bytes: Uint8Array) => net.fromBytes(bytes)],
] as const)('%s says of bytes that were transferred that they are gone', async (who, read) => {
  const bytes = net.toBytes();
  structuredClone(bytes.buffer, { transfer: [bytes.buffer as ArrayBuffer] });
  const error = await failure(() => read(bytes));
  expect(error).toBeInstanceOf(ArgumentError);
  expect(error.message).toBe(`${who} takes a Uint8Array, but its buffer is detached: it was transferred`);
  const view = new DataView(new ArrayBuffer(8));
  structuredClone(view.buffer, { transfer: [view.buffer] });
  expect(await failure(() => read(view as never))).toBeInstanceOf(ArgumentError);
});

test.each(Object.entries({ ...saves, ...loads }))('%s refuses what is no path', async (_, save) => {
  for (const [path, why] of [
    ['', /takes the path of a file, but got an empty string$/],
    ['a\0b', /takes a path without NUL characters, but got/],
  ] as const) {
    const error = await failure(() => save(path));
    expect(error).toBeInstanceOf(ArgumentError);
    expect(error.message).toMatch(why);
  }
});

test('a path that leads through a file is missing', () => {
  inFolder(folder => {
    net.saveParameters(join(folder, 'file'));
    expect(thrown(() => io.safetensors.load(join(folder, 'file', 'net')))).toBeInstanceOf(FileError);
  });
});
