import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomically } from '../../lib/files/write-file.js';
import {
  ArgumentError,
  DeferredInitializationError,
  DTypeError,
  FileError,
  FormatError,
  io,
  nn,
  random,
  ShapeError,
  type Tensor,
  tensor,
} from '../../lib/index.js';
import { session } from '../../lib/native/register.js';
import { allBits, bits, inFolder, thrown, values } from '../support/nn-helpers.js';

beforeEach(() => random.seed(4));
afterEach(() => jest.restoreAllMocks());

const x = tensor(values(12), { shape: [3, 4] });
const build = () => new nn.Sequential(new nn.Dense(5, { activation: 'tanh' }), new nn.Dense(2));

function trained(): ReturnType<typeof build> {
  const net = build();
  net.initialize({ init: 'xavier' });
  net(x);
  return net;
}

const states = (net: nn.Sequential | ReturnType<typeof build>) =>
  [...net.collectParams().values()].map(p => `${p.state} ${p.shape.join()}`);

describe('saveParameters and loadParameters', () => {
  it.each(['bare', 'deferred', 'ready'])('fill a %s net, before its first forward', state => {
    inFolder(folder => {
      const path = join(folder, 'net.safetensors');
      const net = trained();
      net.saveParameters(path);
      const other = build();
      if (state !== 'bare') other.initialize();
      if (state === 'ready') other(x);
      const fired: string[] = [];
      other[0].weight.onReady(() => fired.push('ready'));
      other.loadParameters(path);
      expect(allBits(other)).toEqual(allBits(net));
      expect(fired).toEqual(['ready']);
      expect(bits(other(x))).toBe(bits(net(x)));
      expect(other[0].weight.shape).toEqual([5, 4]);
      expect(() => (other as nn.Sequential)(tensor(values(6), { shape: [2, 3] }))).toThrow(ShapeError);
    });
  });

  it('keep paths, and a format version', () => {
    const file = io.safetensors.fromBytes(trained().toBytes());
    expect([...file.tensors.keys()]).toEqual(['0.weight', '0.bias', '1.weight', '1.bias']);
    expect(file.metadata).toEqual({ format: 'latent.parameters', version: '1' });
    for (const metadata of [null, 'text', ['a'], 3, { a: 1 }])
      expect(() => io.safetensors.toBytes(file.tensors, { metadata: metadata as never })).toThrow(ArgumentError);
    const later = io.safetensors.toBytes(file.tensors, { metadata: { format: 'latent.parameters', version: '2' } });
    expect(() => build().fromBytes(later)).toThrow(/version 2/);
    const foreign = io.safetensors.toBytes(file.tensors);
    const net = build();
    net.fromBytes(foreign);
    expect(net[1].bias!.state).toBe('ready');
  });

  it('toBytes and fromBytes are the same in memory', () => {
    const net = trained();
    const other = build();
    other.fromBytes(net.toBytes());
    expect(allBits(other)).toEqual(allBits(net));
    inFolder(folder => {
      net.saveParameters(join(folder, 'a'));
      expect(Buffer.compare(readFileSync(join(folder, 'a')), Buffer.from(net.toBytes()))).toBe(0);
    });
  });

  it('of a net that is not ready names what is missing, by path', () => {
    const net = build();
    net.initialize();
    for (const save of [() => net.toBytes(), () => net.saveParameters('unused')]) {
      const error = thrown(save);
      expect(error).toBeInstanceOf(DeferredInitializationError);
      expect(error.message).toContain('0.weight, 1.weight have no values yet');
    }
    expect(existsSync('unused')).toBe(false);
  });

  const edited = (edit: (tensors: Map<string, Tensor>) => void) => {
    const { tensors } = io.safetensors.fromBytes(trained().toBytes());
    edit(tensors);
    return io.safetensors.toBytes(tensors);
  };

  it('allowMissing and ignoreExtra', () => {
    const missing = edited(t => t.delete('1.bias'));
    const extra = edited(t => t.set('2.weight', x));
    const net = build();
    expect(thrown(() => net.fromBytes(missing))).toBeInstanceOf(FormatError);
    expect(() => net.fromBytes(missing)).toThrow(/lacks 1\.bias.*allowMissing/);
    expect(() => net.fromBytes(extra)).toThrow(/has 2\.weight.*ignoreExtra/);
    expect(states(net)).toEqual(['bare 5,-1', 'bare 5', 'bare 2,-1', 'bare 2']);
    net.fromBytes(missing, { allowMissing: true });
    expect(states(net)).toEqual(['ready 5,4', 'ready 5', 'ready 2,5', 'bare 2']);
    const other = build();
    other.fromBytes(extra, { ignoreExtra: true });
    expect(states(other)).toEqual(['ready 5,4', 'ready 5', 'ready 2,5', 'ready 2']);
    expect(bits(other[1].weight.data())).toBe(bits(io.safetensors.fromBytes(extra).tensors.get('1.weight')!));
    expect(() => build().fromBytes(extra, { ignoreExtras: true } as never)).toThrow(/did you mean 'ignoreExtra'/);
  });

  it('a file that has none of the parameters is told, whatever may be missing', () => {
    const net = build();
    const foreign = new nn.Sequential(new nn.Dense(1, { inUnits: 1 }));
    const [holder] = [new nn.Sequential(foreign)];
    holder.initialize();
    const bytes = holder.toBytes();
    expect(() => net.fromBytes(bytes, { allowMissing: true, ignoreExtra: true })).toThrow(
      /has none of the parameters; it has 0\.0\.weight, 0\.0\.bias, but wanted are 0\.weight/,
    );
    expect(states(net)).toEqual(['bare 5,-1', 'bare 5', 'bare 2,-1', 'bare 2']);
    // Nothing at all is no other net's.
    net.fromBytes(io.safetensors.toBytes({}), { allowMissing: true });
  });

  it('castDtype', () => {
    const wide = edited(t => {
      for (const [name, value] of [...t]) t.set(name, value.cast('float64'));
    });
    const net = build();
    const error = thrown(() => net.fromBytes(wide));
    expect(error).toBeInstanceOf(DTypeError);
    expect(error.message).toContain('castDtype: true');
    expect(states(net)[0]).toBe('bare 5,-1');
    net.fromBytes(wide, { castDtype: true });
    expect(net[0].weight.dtype).toBe('float32');
  });

  it.each<[string, Uint8Array, new (m: string) => Error]>([
    ['a shape that does not fit', edited(t => t.set('1.weight', tensor(values(9), { shape: [3, 3] }))), ShapeError],
    ['a shape of another rank', edited(t => t.set('1.weight', tensor(values(4)))), ShapeError],
    ['a size of 0', edited(t => t.set('0.weight', tensor([], { shape: [5, 0] }))), ShapeError],
    ['another dtype', edited(t => t.set('1.bias', tensor(new Int32Array([1, 2])))), DTypeError],
  ])('%s leaves everything as it was', (_, bytes, kind) => {
    const deferred = build();
    deferred.initialize();
    const before = states(deferred);
    expect(thrown(() => deferred.fromBytes(bytes))).toBeInstanceOf(kind);
    expect(states(deferred)).toEqual(before);
    const ready = trained();
    ready[0].weight.setData(tensor(values(20, 5), { shape: [5, 4] }));
    const kept = allBits(ready);
    expect(thrown(() => ready.fromBytes(bytes))).toBeInstanceOf(kind);
    expect(allBits(ready)).toEqual(kept);
  });

  it('without memory leave everything as it was, at each allocation', () => {
    const bytes = trained().toBytes();
    const ready = trained();
    ready[1].weight.setData(tensor(values(10, 5), { shape: [2, 5] }));
    const kept = allBits(ready);
    const deferred = build();
    deferred.initialize();
    const before = states(deferred);
    for (const net of [ready, deferred]) {
      let refused = 0;
      for (let k = 1; ; k++) {
        session.refuseAllocation(k, 1);
        try {
          net.fromBytes(bytes);
          break;
        } catch {
          refused++;
        } finally {
          session.refuseAllocation(0, 0);
        }
        if (net === ready) expect(allBits(ready)).toEqual(kept);
        else expect(states(deferred)).toEqual(before);
      }
      expect(refused).toBeGreaterThan(3);
    }
    expect(allBits(deferred)).toEqual(allBits(ready));
  });

  it('take a path as a string', () => {
    expect(() => trained().saveParameters(3 as never)).toThrow(ArgumentError);
    expect(() => build().loadParameters(undefined as never)).toThrow(ArgumentError);
    expect(() => build().fromBytes('x' as never)).toThrow(ArgumentError);
  });
});

describe('a save is whole or absent', () => {
  it('replaces the old file, keeps its mode, leaves no temporary file', () => {
    inFolder(folder => {
      const path = join(folder, 'net');
      writeFileSync(path, 'old');
      chmodSync(path, 0o640);
      const net = trained();
      net.saveParameters(path);
      expect(statSync(path).mode & 0o777).toBe(0o640);
      expect(readdirSync(folder)).toEqual(['net']);
      expect(bits(io.safetensors.load(path).tensors.get('0.weight')!)).toBe(bits(net[0].weight.data()));
    });
  });

  it('goes through a symbolic link, also one into another folder', () => {
    inFolder(folder => {
      mkdirSync(join(folder, 'real'));
      writeFileSync(join(folder, 'real', 'net'), 'old');
      symlinkSync(join('real', 'net'), join(folder, 'link'));
      trained().saveParameters(join(folder, 'link'));
      expect(lstatSync(join(folder, 'link')).isSymbolicLink()).toBe(true);
      expect(readlinkSync(join(folder, 'link'))).toBe(join('real', 'net'));
      expect(io.safetensors.load(join(folder, 'real', 'net')).tensors.size).toBe(4);
      expect(readdirSync(join(folder, 'real'))).toEqual(['net']);
    });
  });

  it('into a link whose target is not there yet makes the target', () => {
    inFolder(folder => {
      symlinkSync('later', join(folder, 'link'));
      trained().saveParameters(join(folder, 'link'));
      expect(lstatSync(join(folder, 'link')).isSymbolicLink()).toBe(true);
      expect(io.safetensors.load(join(folder, 'later')).tensors.size).toBe(4);
    });
  });

  it.each<[string, (folder: string) => string]>([
    ['a missing folder', folder => join(folder, 'missing', 'net')],
    ['a path below a file', folder => join(folder, 'old', 'net')],
  ])('%s raises FileError and changes nothing', (_, pathIn) => {
    inFolder(folder => {
      writeFileSync(join(folder, 'old'), 'old');
      const path = pathIn(folder);
      const error = thrown(() => trained().saveParameters(path));
      expect(error).toBeInstanceOf(FileError);
      expect(error).toMatchObject({ code: 'ERR_LATENT_FILE' });
      expect(error.message).toContain(path);
      expect(error.cause).toMatchObject({ code: expect.any(String), syscall: expect.any(String) });
      expect(readdirSync(folder)).toEqual(['old']);
      expect(readFileSync(join(folder, 'old'), 'utf8')).toBe('old');
    });
  });

  it('an error while the content is made is thrown as it is, and leaves the old file', () => {
    inFolder(folder => {
      const path = join(folder, 'net');
      writeFileSync(path, 'old');
      const broken = function* () {
        yield new Uint8Array(10);
        throw new RangeError('halfway');
      };
      expect(() => writeFileAtomically(path, broken())).toThrow(RangeError);
      expect(readFileSync(path, 'utf8')).toBe('old');
      expect(readdirSync(folder)).toEqual(['net']);
    });
  });
});
