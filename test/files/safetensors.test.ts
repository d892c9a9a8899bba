import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { ArgumentError, type DType, FileError, FormatError, io, memory, type Tensor, tensor } from '../../lib/index.js';
import { bits, inFolder, thrown, values } from '../support/nn-helpers.js';
import { full, seed } from '../support/random.js';

const { safetensors } = io;

/** A file from a header's text and its data. */
function file(header: string | Uint8Array, data: Uint8Array = new Uint8Array()): Uint8Array {
  const text = typeof header === 'string' ? new TextEncoder().encode(header) : header;
  const out = new Uint8Array(8 + text.length + data.length);
  new DataView(out.buffer).setBigUint64(0, BigInt(text.length), true);
  out.set(text, 8);
  out.set(data, 8 + text.length);
  return out;
}

function one(dtype: string, shape: unknown, offsets: unknown, data: number, name = 'a'): Uint8Array {
  return file(JSON.stringify({ [name]: { dtype, shape, data_offsets: offsets } }), new Uint8Array(data));
}

const bytesOf = (array: ArrayBufferView) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

describe('round trips', () => {
  const samples: Record<string, Tensor> = {
    float32: tensor(new Float32Array([-0, Number.NaN, Infinity, 1e-45, ...values(20)])),
    float64: tensor(new Float64Array([Math.PI, -0, Number.NaN, 5e-324]), { shape: [2, 2] }),
    int32: tensor(new Int32Array([-(2 ** 31), 2 ** 31 - 1, 7])),
    uint8: tensor(new Uint8Array([0, 255, 3])),
    bool: tensor([true, false, true]),
    empty: tensor([], { shape: [0, 3] }),
    scalar: tensor(2.5),
    view: tensor(values(6), { shape: [2, 3] }).transpose(),
    'a "name" with \\ and \u{1f600}': tensor([1, 2]),
  };

  it('keep every dtype bit for bit, in memory and on disk', () => {
    const bytes = safetensors.toBytes(samples, { metadata: { format: 'pt', note: 'é' } });
    inFolder(folder => {
      const path = join(folder, 'all.safetensors');
      safetensors.save(path, samples, { metadata: { format: 'pt', note: 'é' } });
      for (const read of [safetensors.fromBytes(bytes), safetensors.load(path)]) {
        expect([...read.tensors.keys()]).toEqual(Object.keys(samples));
        for (const [name, t] of read.tensors) expect([name, bits(t)]).toEqual([name, bits(samples[name]!)]);
        expect(read.metadata).toEqual({ format: 'pt', note: 'é' });
      }
    });
    // Elements begin at a multiple of 8, as other readers like them.
    expect(Number(new DataView(bytes.buffer).getBigUint64(0, true)) % 8).toBe(0);
  });

  it('read from a window of a larger buffer, and none of no tensors', () => {
    const bytes = safetensors.toBytes({ a: tensor([1, 2, 3]) });
    const wide = new Uint8Array(bytes.length + 11);
    wide.set(bytes, 5);
    expect(
      safetensors
        .fromBytes(wide.subarray(5, 5 + bytes.length))
        .tensors.get('a')!
        .toArray(),
    ).toEqual([1, 2, 3]);
    expect(safetensors.fromBytes(safetensors.toBytes({})).tensors.size).toBe(0);
  });

  it('take pairs and Maps, each name once', () => {
    const pairs: [string, Tensor][] = [
      ['b', tensor([1])],
      ['a', tensor([2])],
    ];
    expect([...safetensors.fromBytes(safetensors.toBytes(new Map(pairs))).tensors.keys()]).toEqual(['b', 'a']);
    expect(() => safetensors.toBytes([...pairs, ...pairs])).toThrow(/two tensors are called 'b'/);
    expect(() => safetensors.toBytes([['__metadata__', tensor([1])]])).toThrow(ArgumentError);
    expect(() => safetensors.toBytes({ a: 3 as never })).toThrow(ArgumentError);
    expect(() => safetensors.toBytes({}, { metadata: { a: 1 as never } })).toThrow(ArgumentError);
    expect(() => safetensors.toBytes({}, { meta: {} } as never)).toThrow(/did you mean 'metadata'/);
  });
});

describe('types that are widened or narrowed', () => {
  const halves: [number, number][] = [
    [0x0000, 0],
    [0x8000, -0],
    [0x3c00, 1],
    [0xc000, -2],
    [0x3555, 0.333251953125],
    [0x7bff, 65504],
    [0x0400, 2 ** -14],
    [0x0001, 2 ** -24],
    [0x83ff, -1023 * 2 ** -24],
    [0x7c00, Infinity],
    [0xfc00, -Infinity],
    [0x7e00, Number.NaN],
  ];
  it('float16', () => {
    const data = bytesOf(new Uint16Array(halves.map(([code]) => code)));
    const { tensors } = safetensors.fromBytes(
      file(`{"a":{"dtype":"F16","shape":[${halves.length}],"data_offsets":[0,${data.length}]}}`, data),
    );
    expect(tensors.get('a')!.dtype).toBe('float32');
    expect([...tensors.get('a')!.toTypedArray()]).toEqual(halves.map(([, value]) => value));
  });

  it('bfloat16', () => {
    const codes = [0x3f80, 0xc000, 0x0000, 0x8000, 0x7f80, 0x4049, 0x0001];
    const data = bytesOf(new Uint16Array(codes));
    const { tensors } = safetensors.fromBytes(
      file(`{"a":{"dtype":"BF16","shape":[${codes.length}],"data_offsets":[0,${data.length}]}}`, data),
    );
    expect([...tensors.get('a')!.toTypedArray()]).toEqual([1, -2, 0, -0, Infinity, 3.140625, 2 ** -133]);
  });

  it('int64, where it fits int32', () => {
    const read = (...numbers: bigint[]) => {
      const data = bytesOf(new BigInt64Array(numbers));
      return safetensors
        .fromBytes(file(`{"n":{"dtype":"I64","shape":[${numbers.length}],"data_offsets":[0,${data.length}]}}`, data))
        .tensors.get('n')!;
    };
    const t = read(-(2n ** 31n), 0n, -1n, 2n ** 31n - 1n);
    expect([t.dtype, t.toArray()]).toEqual(['int32', [-(2 ** 31), 0, -1, 2 ** 31 - 1]]);
    for (const wrong of [2n ** 31n, -(2n ** 31n) - 1n, 2n ** 62n]) {
      expect(() => read(1n, wrong)).toThrow(FormatError);
      expect(() => read(1n, wrong)).toThrow(String(wrong));
    }
  });
});

describe('what is no safetensors file raises FormatError', () => {
  const good = safetensors.toBytes({ a: tensor([1, 2, 3]), b: tensor([4]) });

  it('cut off at any byte', () => {
    for (let n = 0; n < good.length; n++) {
      expect(thrown(() => safetensors.fromBytes(good.subarray(0, n)))).toBeInstanceOf(FormatError);
    }
    expect(thrown(() => safetensors.fromBytes(Buffer.concat([good, new Uint8Array(1)])))).toBeInstanceOf(FormatError);
  });

  const entry = (text: string) => `{"dtype":"F32","shape":[1],"data_offsets":${text}}`;
  const cases: [string, Uint8Array, RegExp][] = [
    ['an oversized header', Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 128, 1, 2]), /header would have/],
    ['a header past the file', Uint8Array.from([9, 0, 0, 0, 0, 0, 0, 0, 123, 125]), /cut off/],
    ['no JSON', file('{"a":'), /no JSON/],
    ['JSON with something after', file('{}x'), /no JSON/],
    ['NUL padding', file('{}\0\0'), /no JSON/],
    ['no UTF-8', file(Uint8Array.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])), /no JSON/],
    ['a list', file('[]'), /no JSON object/],
    ['null', file('null'), /no JSON object/],
    ['a leading space', file(' {}'), /no JSON object/],
    ['a byte order mark', file('\ufeff{}'), /./],
    ['a negative offset', one('F32', [1], [-4, 0], 4), /offsets/],
    ['a fractional offset', one('F32', [1], [0.5, 4.5], 4), /offsets/],
    ['an offset as text', one('F32', [1], ['0', '4'], 4), /offsets/],
    ['three offsets', one('F32', [1], [0, 4, 8], 4), /offsets/],
    ['offsets reversed', one('F32', [1], [4, 0], 4), /outside/],
    ['offsets past the data', one('F32', [2], [0, 8], 4), /outside/],
    ['an overlap', file(`{"a":${entry('[0,4]')},"b":${entry('[2,6]')}}`, new Uint8Array(6)), /begins at 2/],
    ['the same bytes twice', file(`{"a":${entry('[0,4]')},"b":${entry('[0,4]')}}`, new Uint8Array(4)), /begins at 0/],
    ['a gap', file(`{"a":${entry('[0,4]')},"b":${entry('[8,12]')}}`, new Uint8Array(12)), /begins at 8/],
    ['a gap at the start', one('F32', [1], [4, 8], 8), /begins at 4/],
    ['bytes left over', one('F32', [1], [0, 4], 6), /belong to no tensor/],
    ['a shape of another size', one('F32', [3], [0, 8], 8), /takes 12 bytes, but has 8/],
    ['a negative size', one('F32', [-1], [0, 4], 4), /shape/],
    ['a list in a shape', one('F32', [[1]], [0, 4], 4), /objects and lists lie deeper than 3 in one another/],
    ['a negative product', one('F32', [-1, -1], [0, 4], 4), /shape/],
    ['a shape as text', one('F32', '1', [0, 4], 4), /shape/],
    ['nine dimensions', one('F32', [1, 1, 1, 1, 1, 1, 1, 1, 1], [0, 4], 4), /at most 8/],
    ['an unknown dtype', one('F8_E4M3', [4], [0, 4], 4), /dtype 'F8_E4M3'/],
    ['a dtype of Object.prototype', one('toString', [4], [0, 4], 4), /dtype/],
    ['a dtype in lower case', one('f32', [1], [0, 4], 4), /dtype/],
    ['no dtype', file('{"a":{"shape":[1],"data_offsets":[0,4]}}', new Uint8Array(4)), /dtype/],
    ['an entry that is no object', file('{"a":3}'), /no object/],
    ['an entry that is a list', file('{"a":[]}'), /no object/],
    [
      'a duplicate name',
      file(`{"a":${entry('[0,4]')},"a":${entry('[0,4]')}}`, new Uint8Array(4)),
      /'a' is there twice/,
    ],
    [
      'a duplicate name in disguise',
      file(`{"a":${entry('[0,4]')},"\\u0061":${entry('[0,4]')}}`, new Uint8Array(4)),
      /twice/,
    ],
    [
      'a duplicate key inside an entry',
      file('{"a":{"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]}}', new Uint8Array(4)),
      /'shape' is there twice/,
    ],
    ['metadata that is no object', file('{"__metadata__":[]}'), /__metadata__/],
    ['metadata of numbers', file('{"__metadata__":{"a":1}}'), /__metadata__/],
    [
      'a bool that is 2',
      file('{"a":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]}}', Uint8Array.of(2)),
      /other than 0 and 1/,
    ],
    ['sizes whose product overflows', one('F32', [2 ** 31, 2 ** 31, 2 ** 31], [0, 4], 4), /takes/],
    [
      'a size past 2^53',
      file('{"a":{"dtype":"U8","shape":[18446744073709551617],"data_offsets":[0,1]}}', new Uint8Array(1)),
      /shape/,
    ],
    ['sizes past 2^53 beside a 0', one('F32', [0, 2 ** 52, 2 ** 52], [0, 0], 0), /./],
  ];
  it.each(cases)('%s', (_, bytes, message) => {
    const error = thrown(() => safetensors.fromBytes(bytes));
    expect(error).toBeInstanceOf(FormatError);
    expect(error).toMatchObject({ code: 'ERR_LATENT_FORMAT' });
    expect(error.message).toMatch(message);
    inFolder(folder => {
      const path = join(folder, 'bad.safetensors');
      writeFileSync(path, bytes);
      const other = thrown(() => safetensors.load(path));
      expect(other).toBeInstanceOf(FormatError);
      expect(other.message).toContain(path);
    });
  });

  it('never takes memory for what the file only claims', () => {
    memory.collect();
    const before = memory.info();
    const claims = [
      one('F32', [2 ** 40], [0, 2 ** 42], 16),
      one('F64', [2 ** 30], [0, 2 ** 33], 16),
      Uint8Array.from([0, 225, 245, 5, 0, 0, 0, 0, 123]),
    ];
    const heap = process.memoryUsage().arrayBuffers;
    for (const claim of claims) expect(thrown(() => safetensors.fromBytes(claim))).toBeInstanceOf(FormatError);
    expect(process.memoryUsage().arrayBuffers - heap).toBeLessThan(2 ** 20);
    const after = memory.info();
    expect([after.liveBytes, after.peakBytes, after.tensors]).toEqual([
      before.liveBytes,
      before.peakBytes,
      before.tensors,
    ]);
  });

  it('does not let a file pollute prototypes', () => {
    const { tensors, metadata } = safetensors.fromBytes(
      file(`{"__metadata__":{"__proto__":"x","a":"b"},"constructor":${entry('[0,4]')}}`, new Uint8Array(4)),
    );
    expect(tensors.has('constructor')).toBe(true);
    expect(Object.getPrototypeOf(metadata)).toBe(Object.prototype);
    expect(({} as { a?: unknown }).a).toBeUndefined();
  });

  it('reads and writes any name, also those of every object', () => {
    const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf', ''];
    const metadata = Object.fromEntries(names.map(name => [name, `of ${name}`]));
    const bytes = safetensors.toBytes(
      names.map((name, i) => [name, tensor([i])]),
      { metadata },
    );
    const read = safetensors.fromBytes(bytes);
    expect([...read.tensors].map(([name, t]) => [name, t.item()])).toEqual(names.map((name, i) => [name, i]));
    expect(Object.entries(read.metadata)).toEqual(Object.entries(metadata));
    expect([...safetensors.fromBytes(safetensors.toBytes(Object.fromEntries(read.tensors))).tensors.keys()]).toEqual(
      names,
    );
  });
});

describe('what is written can be read, or is refused with what to do', () => {
  const refusal = (write: () => unknown): string => {
    const error = thrown(write);
    expect(error).toBeInstanceOf(ArgumentError);
    expect(error.message).toMatch(/^safetensors.save: .*; spread the tensors or the metadata over several files$/);
    return error.message;
  };

  it('long metadata, of every kind of character', () => {
    const note = '\u{1f600}"\\\n\ud800'.repeat(200_000);
    const { metadata } = safetensors.fromBytes(safetensors.toBytes({}, { metadata: { note } }));
    expect(metadata.note === note).toBe(true);
  });

  it('metadata of many keys', () => {
    const metadata = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`key ${i}`, String(i)]));
    expect(safetensors.fromBytes(safetensors.toBytes({}, { metadata })).metadata).toEqual(metadata);
  });

  it('many tensors, up to what a reader takes', () => {
    const t = tensor([1]);
    const of = (count: number) => Array.from({ length: count }, (_, i) => [`t${i}`, t] as const);
    // 20,000 in any file, and one more for each 1,200 bytes of elements: 4 n / 1200 of them here.
    expect(safetensors.fromBytes(safetensors.toBytes(of(20_066))).tensors.size).toBe(20_066);
    expect(refusal(() => safetensors.toBytes(of(20_070)))).toMatch(/20070 tensors are more than the 20066/);
  });

  it('long names, up to what a reader takes', () => {
    const name = (length: number) => 'n'.repeat(length);
    expect(safetensors.fromBytes(safetensors.toBytes({ [name(65_534)]: tensor([1]) })).tensors.size).toBe(1);
    expect(refusal(() => safetensors.toBytes({ [name(65_535)]: tensor([1]) }))).toMatch(/a key has 65535 bytes/);
  });

  it('a refusal leaves the file that is there', () => {
    inFolder(folder => {
      const path = join(folder, 'file');
      writeFileSync(path, 'old');
      refusal(() => safetensors.save(path, {}, { metadata: { ['n'.repeat(70_000)]: '' } }));
      expect(readFileSync(path, 'utf8')).toBe('old');
    });
  });
});

it('a path that cannot be read raises FileError', () => {
  inFolder(folder => {
    for (const path of [join(folder, 'missing'), folder]) {
      const error = thrown(() => safetensors.load(path));
      expect(error).toBeInstanceOf(FileError);
      expect(error.message).toContain(path);
    }
    expect(() => safetensors.load(3 as never)).toThrow(ArgumentError);
    expect(() => safetensors.fromBytes('x' as never)).toThrow(ArgumentError);
  });
});

describe('fuzzing', () => {
  const numRuns = full ? 50_000 : 800;

  /** Accepts what is a file; anything else must be a FormatError. */
  const tryRead = (bytes: Uint8Array) => {
    let read: ReturnType<typeof safetensors.fromBytes>;
    try {
      read = safetensors.fromBytes(bytes);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      return false;
    }
    const total = [...read.tensors.values()].reduce((n, t) => n + t.size, 0);
    expect(total).toBeLessThanOrEqual(bytes.length);
    return true;
  };

  const dtypes: readonly (DType | string)[] = ['F32', 'F64', 'I32', 'U8', 'BOOL', 'F16', 'BF16', 'I64', 'X'];
  const size = fc.oneof(
    fc.integer({ min: -1, max: 4 }),
    fc.constantFrom(0, 2 ** 31, 2 ** 32, 2 ** 53 - 1, 2 ** 53, 1e300, 0.5, -0),
  );
  const header = fc.dictionary(
    fc.oneof(fc.string({ maxLength: 3 }), fc.constantFrom('__proto__', '__metadata__', 'a')),
    fc.oneof(
      fc.record(
        {
          dtype: fc.constantFrom(...dtypes),
          shape: fc.array(size, { maxLength: 9 }),
          data_offsets: fc.array(fc.oneof(fc.integer({ min: -1, max: 40 }), size), { maxLength: 3 }),
        },
        { requiredKeys: [] },
      ),
      fc.jsonValue(),
    ),
    { maxKeys: 3 },
  );

  it('any JSON header is a file or a FormatError', () => {
    fc.assert(
      fc.property(header, fc.uint8Array({ maxLength: 40 }), (h, data) => {
        tryRead(file(JSON.stringify(h), data));
      }),
      { numRuns, seed },
    );
  });

  it('any change of a byte is a file or a FormatError', () => {
    const good = safetensors.toBytes(
      { a: tensor([1, 2, 3]), b: tensor([true, false]), c: tensor([], { shape: [0, 2] }) },
      { metadata: { k: 'v' } },
    );
    let accepted = 0;
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 3 }),
        fc.nat(good.length),
        (changes, keep) => {
          const bytes = good.slice(0, keep % 3 === 0 ? keep : good.length);
          for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
          if (tryRead(bytes)) accepted++;
        },
      ),
      { numRuns, seed },
    );
    expect(accepted).toBeGreaterThan(0);
  });

  it('any bytes are a file or a FormatError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), bytes => {
        if (bytes.length > 1) bytes.fill(0, 1, Math.min(8, bytes.length));
        tryRead(bytes);
      }),
      { numRuns, seed },
    );
  });
});
