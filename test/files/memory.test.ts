import { closeSync, ftruncateSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { runWell } from '../support/child.js';
import { keepsFreed } from '../support/memory.js';
import { inFolder } from '../support/nn-helpers.js';
import * as files from '../support/onnx-files.js';
import { full, makeRandom } from '../support/random.js';

/** Enough that a third copy shows: 3 n > 2 n + 64 MB. */
const LARGE = 96_000_000;
const ALLOWANCE = 64_000_000;

/** A file that begins so and goes on with zeros, which take no room on the disk. */
function sparse(path: string, beginning: Uint8Array, size: number): number {
  const fd = openSync(path, 'w');
  writeSync(fd, beginning);
  ftruncateSync(fd, size);
  closeSync(fd);
  return size;
}

function safetensors(path: string, header: string, dataBytes: number): number {
  const text = Buffer.from(header);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return sparse(path, Buffer.concat([length, text]), 8 + text.length + dataBytes);
}

const entries = (count: number, bytes: number) =>
  `{${Array.from({ length: count }, (_, i) => `"t${i}":{"dtype":"F32","shape":[${bytes / 4}],"data_offsets":[${i * bytes},${(i + 1) * bytes}]}`).join(',')}}`;

/** A field of a message, of which `length` bytes follow. */
function head(number: number, length: number): Buffer {
  const bytes: number[] = [];
  for (const value of [(number << 3) | 2, length]) {
    let rest = value;
    for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
    bytes.push(rest);
  }
  return Buffer.from(bytes);
}
const field = (number: number, content: Uint8Array): Buffer => Buffer.concat([head(number, content.length), content]);
const number = (at: number, value: number): Buffer =>
  Buffer.concat([Buffer.from([at << 3]), head(0, value).subarray(1)]);
const text = (at: number, value: string): Buffer => field(at, Buffer.from(value));

/** A model of y = Relu(x), and one initializer of `count` elements whose field `last` of `bytes` zeros ends the file. */
function onnx(
  path: string,
  type: number,
  count: number,
  last: number,
  bytes: number,
  more: Buffer = Buffer.alloc(0),
): number {
  const info = (at: number, name: string) =>
    field(
      at,
      Buffer.concat([
        text(1, name),
        field(2, field(1, Buffer.concat([number(1, 1), field(2, field(1, number(1, 3)))]))),
      ]),
    );
  const node = field(1, Buffer.concat([text(1, 'x'), text(2, 'y'), text(4, 'Relu')]));
  const tensor = Buffer.concat([number(1, count), number(2, type), text(8, 'w'), more, head(last, bytes)]);
  const graph = Buffer.concat([node, info(11, 'x'), info(12, 'y'), head(5, tensor.length + bytes), tensor]);
  const model = Buffer.concat([field(8, number(2, 17)), head(7, graph.length + bytes), graph]);
  return sparse(path, model, model.length + bytes);
}

/** A model by its parts. */
function model(path: string, graph: Parameters<typeof files.model>[0]): number {
  const bytes = files.model(graph);
  writeFileSync(path, bytes);
  return bytes.length;
}
const many = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));
const zeros = (name: string, ...dims: number[]) => ({
  name,
  dims: dims.map(BigInt),
  dataType: 1,
  rawData: new Uint8Array(LARGE),
});

function idx(type: number, ...shape: number[]): Buffer {
  const header = Buffer.alloc(4 + 4 * shape.length);
  header[2] = type;
  header[3] = shape.length;
  for (const [d, size] of shape.entries()) header.writeUInt32BE(size, 4 + 4 * d);
  return header;
}

interface Case {
  /** Makes the file; answers how many bytes it holds, itself or unpacked. */
  make(path: string): number;
  readonly read: string;
}

const load = 'latent.io.safetensors.load(path)';
const loadOnnx = 'latent.io.onnx.load(path)';
const readIdx = 'latent.data.readIdx(path)';
const FORMAT = 'ERR_LATENT_FORMAT';

const readable: Record<string, Case> = {
  'a large tensor in safetensors': { make: path => safetensors(path, entries(1, LARGE), LARGE), read: load },
  'many tensors in safetensors': { make: path => safetensors(path, entries(96, 1_000_000), LARGE), read: load },
  'very many small tensors in safetensors': {
    make: path => safetensors(path, entries(20_000, 4), 80_000),
    read: load,
  },
  'tensors in safetensors that are widened': {
    make: path =>
      safetensors(path, `{"a":{"dtype":"BF16","shape":[${LARGE / 4}],"data_offsets":[0,${LARGE / 2}]}}`, LARGE / 2) * 2,
    read: load,
  },
  'large metadata in safetensors': {
    make: path => safetensors(path, `{"__metadata__":{"a":"${'x'.repeat(LARGE)}"}}`, 0),
    read: load,
  },
  'parameters of a net that waits for them': {
    make: path =>
      safetensors(path, `{"weight":{"dtype":"F32","shape":[1000,${LARGE / 4000}],"data_offsets":[0,${LARGE}]}}`, LARGE),
    read: 'new latent.nn.Dense(1000, { useBias: false }).loadParameters(path)',
  },
  'an initializer in ONNX': { make: path => onnx(path, 1, LARGE / 4, 9, LARGE), read: loadOnnx },
  'an initializer in ONNX in several runs of floats': {
    make: path => onnx(path, 1, LARGE / 4, 4, LARGE / 2, field(4, Buffer.alloc(LARGE / 2))),
    read: loadOnnx,
  },
  'an initializer in ONNX of numbers as long as they need': {
    make: path => onnx(path, 2, LARGE, 5, LARGE),
    read: loadOnnx,
  },
  'a constant in ONNX that is no weight': {
    make: path =>
      model(path, { initializer: [zeros('mask', LARGE / 4)], node: [files.node('Add', ['x', 'mask'], ['y'])] }),
    read: loadOnnx,
  },
  'rows in ONNX that are gathered': {
    make: path =>
      model(path, {
        initializer: [zeros('rows', LARGE / 12, 3)],
        node: [files.node('ArgMax', ['x'], ['places']), files.node('Gather', ['rows', 'places'], ['y'])],
      }),
    read: loadOnnx,
  },
  'an initializer in ONNX beside a text': {
    make: path =>
      model(path, {
        input: [files.float('x', -1, 3, 4, 4)],
        initializer: [zeros('w', LARGE / 192, 3, 4, 4)],
        node: [files.node('Conv', ['x', 'w'], ['y'], { attribute: files.attributes({ auto_pad: 'NOTSET' }) })],
      }),
    read: loadOnnx,
  },
  'whole numbers of eight bytes in ONNX': {
    make: path =>
      model(path, {
        initializer: many(100, i => ({
          name: `table${i}`,
          dims: [4096n],
          dataType: 7,
          int64Data: [new Uint8Array(4096).fill(7)],
        })),
      }),
    read: loadOnnx,
  },
  'small tables of bytes in ONNX': {
    make: path =>
      model(path, {
        initializer: many(4000, i => ({
          name: `table${i}`,
          dims: [4096n],
          dataType: 2,
          rawData: new Uint8Array(4096),
        })),
      }),
    read: loadOnnx,
  },
  'weights in ONNX, each with its node': {
    make: path =>
      model(path, {
        initializer: many(3900, i => files.weight(`w${i}`, [3])),
        node: many(3900, i => files.node('Add', [i === 0 ? 'x' : `v${i}`, `w${i}`], [i === 3899 ? 'y' : `v${i + 1}`])),
      }),
    read: loadOnnx,
  },
  'bytes in IDX': { make: path => sparse(path, idx(8, LARGE), 8 + LARGE), read: readIdx },
  'floats in IDX': { make: path => sparse(path, idx(13, LARGE / 4), 8 + LARGE), read: readIdx },
  'bytes in IDX that no compression makes shorter': {
    make: path => {
      writeFileSync(path, gzipSync(Buffer.concat([idx(8, LARGE), Buffer.alloc(LARGE)]), { level: 0 }));
      return LARGE;
    },
    read: readIdx,
  },
  'zeros in IDX, compressed': {
    make: path => {
      writeFileSync(path, gzipSync(Buffer.concat([idx(8, LARGE), Buffer.alloc(LARGE)]), { level: 1 }));
      return LARGE;
    },
    read: readIdx,
  },
};

/** What would take many times its bytes. */
const refused: Record<string, Case> = {
  'a safetensors header of objects in one another': {
    make: path => safetensors(path, `{"a":${'{"":'.repeat(3e6)}1${'}'.repeat(3e6)}}`, 0),
    read: load,
  },
  'a safetensors header of lists in one another': {
    make: path => safetensors(path, `{"a":${'['.repeat(7e6)}${']'.repeat(7e6)}}`, 0),
    read: load,
  },
  'a safetensors header of empty objects': {
    make: path => safetensors(path, `{"a":[${'{},'.repeat(4e6)}{}]}`, 0),
    read: load,
  },
  'safetensors metadata of very many keys': {
    make: path =>
      safetensors(path, `{"__metadata__":{${Array.from({ length: 1e6 }, (_, i) => `"${i}":""`).join(',')}}}`, 0),
    read: load,
  },
  'a safetensors header of very many empty tensors': {
    make: path => safetensors(path, entries(25_000, 0), 0),
    read: load,
  },
  "an optimizer's steps of objects in one another": {
    make: path => {
      const steps = JSON.stringify(`${'{"a":'.repeat(2e6)}1${'}'.repeat(2e6)}`);
      const metadata = `"format":"latent.optimizer","version":"1","optimizer":"SGD","steps":${steps}`;
      return safetensors(path, `{"__metadata__":{${metadata}}}`, 0);
    },
    read: "new latent.Trainer(new latent.nn.Dense(1).collectParams(), 'sgd').loadStates(path)",
  },
  "an ONNX model's frozen names in lists in one another": {
    make: path => {
      const node = field(1, Buffer.concat([text(1, 'x'), text(2, 'y'), text(4, 'Relu')]));
      const frozen = Buffer.concat([text(1, 'latent.frozen'), text(2, `${'['.repeat(7e6)}${']'.repeat(7e6)}`)]);
      const model = Buffer.concat([field(8, number(2, 17)), field(7, node), field(14, frozen)]);
      writeFileSync(path, model);
      return model.length;
    },
    read: loadOnnx,
  },
  'millions of empty nodes in ONNX': {
    make: path => {
      const graph = Buffer.alloc(6e6);
      for (let i = 0; i < graph.length; i += 2) graph[i] = 0x0a;
      const model = Buffer.concat([field(8, number(2, 17)), head(7, graph.length), graph]);
      writeFileSync(path, model);
      return model.length;
    },
    read: loadOnnx,
  },
  'nodes of ONNX that compute very many whole numbers': {
    make: path =>
      model(path, {
        initializer: [
          { name: 'size', dims: [1n], dataType: 7, rawData: files.long(4096) },
          { name: 'five', dims: [1n], dataType: 7, rawData: files.long(5) },
        ],
        node: [
          files.node('Relu', ['x'], ['y']),
          ...many(5000, i => files.node('Expand', ['five', 'size'], [`five${i}`])),
        ],
      }),
    read: loadOnnx,
  },
  'very many reasons with long names in ONNX': {
    make: path =>
      model(path, {
        node: many(1000, i => files.node(`Unknown${'n'.repeat(60_000)}`, ['x'], [i === 999 ? 'y' : `v${i}`])),
      }),
    read: loadOnnx,
  },
  'compressed zeros after a header of few': {
    make: path => {
      const bytes = gzipSync(Buffer.concat([idx(8, 4), Buffer.alloc(5e8)]), { level: 1 });
      writeFileSync(path, bytes);
      return bytes.length;
    },
    read: readIdx,
  },
  'compressed zeros that are no IDX': {
    make: path => {
      const bytes = gzipSync(Buffer.alloc(5e8, 1), { level: 1 });
      writeFileSync(path, bytes);
      return bytes.length;
    },
    read: readIdx,
  },
  'a compressed header that claims more than can be there': {
    make: path => {
      const bytes = gzipSync(Buffer.concat([idx(8, 2 ** 30), Buffer.alloc(1000)]));
      writeFileSync(path, bytes);
      return bytes.length;
    },
    read: readIdx,
  },
};

/**
 * By how many bytes reading a file raises the peak of a process that has the library loaded, and the buffers that it keeps
 * beside what was read; how it ended. Linux keeps the
 * peak that getrusage tells through a start from a larger process, but counts its own for each program.
 */
function measured(path: string, read: string): { grown: number; buffers: number; error: string | null } {
  return JSON.parse(
    runWell(
      `const path = process.argv[1];
      const peak = () => {
        try {
          return Number(/VmHWM:\\s+(\\d+)/.exec(require('node:fs').readFileSync('/proc/self/status', 'utf8'))[1]) * 1024;
        } catch {
          return process.resourceUsage().maxRSS * 1024;
        }
      };
      const before = process.memoryUsage.rss();
      let error = null;
      let kept;
      try { kept = ${read}; } catch (raised) { error = raised.code ?? String(raised); }
      const grown = peak() - before;
      // Buffers are freed beside the program: the second waits for that.
      gc();
      gc();
      console.log(JSON.stringify({ grown, buffers: process.memoryUsage().arrayBuffers, error }));`,
      { args: ['--max-old-space-size=512', '--expose-gc'], argv: [path] },
    ),
  );
}

const random = makeRandom(41);
/** Those that take long to make are drawn from, unless all are run. */
const drawn = (cases: Record<string, Case>, count: number) => {
  const names = Object.keys(cases);
  const chosen = new Set(full ? names : []);
  while (chosen.size < Math.min(count, names.length)) chosen.add(random.pick(names));
  return [...chosen].map(name => [name, cases[name] as Case] as const);
};

test.each(drawn(readable, 2))('%s is read in twice its memory and 64 MB', (_, { make, read }) => {
  inFolder(folder => {
    const path = join(folder, 'file');
    const holds = make(path);
    const { grown, buffers, error } = measured(path, read);
    expect(error).toBe(null);
    // The values lie outside them: what they hold is the file.
    expect(buffers).toBeLessThan(2 ** 24);
    if (!keepsFreed) expect(grown).toBeLessThan(2 * holds + ALLOWANCE);
  });
});

test.each(drawn(refused, 1))('%s is refused in twice its memory and 64 MB', (_, { make, read }) => {
  inFolder(folder => {
    const path = join(folder, 'file');
    const holds = make(path);
    const { grown, error } = measured(path, read);
    expect(error).toBe(FORMAT);
    if (!keepsFreed) expect(grown).toBeLessThan(2 * holds + ALLOWANCE);
  });
});
