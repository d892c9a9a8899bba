import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { ArgumentError, data, FileError, FormatError, memory } from '../../lib/index.js';
import { inFolder, thrown } from '../support/nn-helpers.js';

/** An IDX file: its type code, sizes and elements. */
function idx(code: number, shape: readonly number[], elements: Uint8Array): Uint8Array {
  const out = Buffer.alloc(4 + 4 * shape.length + elements.length);
  out[2] = code;
  out[3] = shape.length;
  shape.forEach((size, d) => {
    out.writeUInt32BE(size, 4 + 4 * d);
  });
  out.set(elements, 4 + 4 * shape.length);
  return out;
}

function bigEndian(
  bytes: number,
  numbers: readonly number[],
  write: (b: Buffer, v: number, at: number) => void,
): Uint8Array {
  const out = Buffer.alloc(bytes * numbers.length);
  numbers.forEach((v, i) => {
    write(out, v, bytes * i);
  });
  return out;
}

const kinds: [string, number, readonly number[], Uint8Array][] = [
  ['uint8', 8, [0, 255, 7, 1, 2, 3], Uint8Array.of(0, 255, 7, 1, 2, 3)],
  [
    'int32',
    12,
    [-5, 2 ** 31 - 1, 0, 1, 2, 3],
    bigEndian(4, [-5, 2 ** 31 - 1, 0, 1, 2, 3], (b, v, at) => b.writeInt32BE(v, at)),
  ],
  [
    'float32',
    13,
    [0.5, -2, 1e10, 0, 1, 2],
    bigEndian(4, [0.5, -2, 1e10, 0, 1, 2], (b, v, at) => b.writeFloatBE(v, at)),
  ],
  [
    'float64',
    14,
    [0.1, -2, 1e300, 0, 1, 2],
    bigEndian(8, [0.1, -2, 1e300, 0, 1, 2], (b, v, at) => b.writeDoubleBE(v, at)),
  ],
];

describe.each(kinds)('%s', (dtype, code, numbers, elements) => {
  it.each(['plain', 'gzip'])('is read from a %s file', form => {
    inFolder(folder => {
      for (const shape of [[6], [2, 3], [1, 2, 3]]) {
        const bytes = idx(code, shape, elements);
        const path = join(folder, 'file');
        writeFileSync(path, form === 'gzip' ? gzipSync(bytes) : bytes);
        const t = data.readIdx(path);
        expect([t.dtype, [...t.shape]]).toEqual([dtype, shape]);
        expect([...t.toTypedArray()]).toEqual(numbers);
      }
    });
  });
});

it('an empty one has no elements', () => {
  inFolder(folder => {
    writeFileSync(join(folder, 'file'), idx(8, [0, 28, 28], new Uint8Array()));
    expect(data.readIdx(join(folder, 'file')).shape).toEqual([0, 28, 28]);
  });
});

const good = idx(8, [2, 3], Uint8Array.of(1, 2, 3, 4, 5, 6));
const bad: [string, Uint8Array][] = [
  ['nothing', new Uint8Array()],
  ['three bytes', Uint8Array.of(0, 0, 8)],
  ['no zeros in front', idx(8, [1], Uint8Array.of(1)).map((b, i) => (i === 0 ? 1 : b))],
  ['an unknown type', idx(11, [2], new Uint8Array(4))],
  ['a cut header', good.subarray(0, 9)],
  ['cut elements', good.subarray(0, good.length - 1)],
  ['a byte too many', Uint8Array.from([...good, 0])],
  ['too many dimensions', Uint8Array.of(0, 0, 8, 200, ...new Array<number>(800).fill(0))],
  ['sizes no machine has', idx(14, [0xffffffff, 0xffffffff, 0xffffffff], new Uint8Array(8))],
  ['sizes beside a 0', idx(8, [0, 0xffffffff, 0xffffffff, 0xffffffff], new Uint8Array())],
  ['a damaged gzip', gzipSync(good).map((b, i) => (i === 14 ? b ^ 0xff : b))],
  ['a cut gzip', gzipSync(good).subarray(0, 12)],
  ['a gzip of something else', gzipSync(Uint8Array.of(1, 2, 3))],
];
it.each(bad)('%s raises FormatError with the path', (_, bytes) => {
  inFolder(folder => {
    const path = join(folder, 'file');
    writeFileSync(path, bytes);
    memory.collect();
    const before = memory.info().peakBytes;
    const error = thrown(() => data.readIdx(path));
    expect(error).toBeInstanceOf(FormatError);
    expect(error.message).toContain(path);
    expect(memory.info().peakBytes).toBe(before);
  });
});

it('what cannot be read raises FileError', () => {
  inFolder(folder => {
    expect(thrown(() => data.readIdx(join(folder, 'missing')))).toBeInstanceOf(FileError);
    expect(thrown(() => data.readIdx(folder))).toBeInstanceOf(FileError);
    expect(thrown(() => data.readIdx(3 as never))).toBeInstanceOf(ArgumentError);
  });
});

describe.each(['MNIST', 'FashionMNIST'] as const)('%s', name => {
  const Reader = data[name];
  const images = (n: number) =>
    idx(
      8,
      [n, 4, 4],
      Uint8Array.from({ length: n * 16 }, (_, i) => (i * 37) % 256),
    );
  const labels = (...list: number[]) => idx(8, [list.length], Uint8Array.from(list));

  function write(folder: string, part: string, files: { images?: Uint8Array; labels?: Uint8Array }, zip = false): void {
    mkdirSync(folder, { recursive: true });
    const end = zip ? '.gz' : '';
    const form = (bytes: Uint8Array) => (zip ? gzipSync(bytes) : bytes);
    if (files.images) writeFileSync(join(folder, `${part}-images-idx3-ubyte${end}`), form(files.images));
    if (files.labels) writeFileSync(join(folder, `${part}-labels-idx1-ubyte${end}`), form(files.labels));
  }

  it.each([false, true])('reads images and labels (compressed: %s)', zip => {
    inFolder(folder => {
      write(folder, 'train', { images: images(3), labels: labels(9, 0, 4) }, zip);
      write(folder, 't10k', { images: images(1), labels: labels(7) }, zip);
      const train = new Reader(folder);
      expect([train.length, train.images.dtype, train.labels.dtype]).toEqual([3, 'uint8', 'int32']);
      expect(train.images.shape).toEqual([3, 4, 4]);
      expect(train.labels.toArray()).toEqual([9, 0, 4]);
      const [image, label] = train.get(1);
      expect([[...image.shape], label.item()]).toEqual([[4, 4], 0]);
      expect((image.toArray() as number[][])[0]![0]).toBe((16 * 37) % 256);
      expect(new Reader(folder, { train: false }).labels.toArray()).toEqual([7]);
    });
  });

  it.each<[string, { images?: Uint8Array; labels?: Uint8Array }, new (m: string) => Error, RegExp]>([
    ['no labels', { images: images(2) }, FileError, /neither train-labels-idx1-ubyte nor/],
    ['other numbers of images and labels', { images: images(2), labels: labels(1) }, FormatError, /2 images.*1 labels/],
    ['labels above 9', { images: images(2), labels: labels(1, 10) }, FormatError, /above 9/],
    ['images of another rank', { images: labels(1, 2), labels: labels(1, 2) }, FormatError, /no images/],
    ['labels of another rank', { images: images(2), labels: images(2) }, FormatError, /no labels/],
    ['a cut file', { images: images(2).subarray(0, 30), labels: labels(1, 2) }, FormatError, /cut off/],
  ])('%s raises', (_, files, kind, message) => {
    inFolder(folder => {
      write(folder, 'train', files);
      const error = thrown(() => new Reader(folder));
      expect(error).toBeInstanceOf(kind);
      expect(error.message).toMatch(message);
      expect(error.message).toContain(folder);
      expect(
        error.message.startsWith(kind === FormatError && message.source === 'cut off' ? folder : `${name}: `),
      ).toBe(true);
    });
  });

  it('names the nearest option', () => {
    expect(() => new Reader('unused', { training: true } as never)).toThrow(/did you mean 'train'/);
  });
});

test('a piece of clothing has a name', () => {
  expect(data.FashionMNIST.classes).toHaveLength(10);
  expect(data.FashionMNIST.classes[9]).toBe('ankle boot');
});
