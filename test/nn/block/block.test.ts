import { inspect } from 'node:util';
import { ArgumentError, BlockError, nn, random, type Tensor, tensor } from '../../../lib/index.js';
import { bits, thrown, values } from '../../support/nn-helpers.js';

beforeEach(() => {
  random.seed(1);
  nn.resetNames();
});

const x = (columns = 4, rows = 2) => tensor(values(rows * columns), { shape: [rows, columns] });

class Mlp extends nn.Block {
  hidden = new nn.Dense(5, { activation: 'relu' });
  out = new nn.Dense(3);
  forward(input: Tensor): Tensor {
    return this.out(this.hidden(input));
  }
}

describe('a block', () => {
  it('is called as a function and is an instance of its class', () => {
    const net = new Mlp();
    expect(typeof net).toBe('function');
    expect(net instanceof Mlp).toBe(true);
    expect(net instanceof nn.Block).toBe(true);
    expect(net instanceof Function).toBe(true);
    expect(net.constructor).toBe(Mlp);
    net.initialize();
    expect(bits(net(x()))).toBe(bits(net.forward(x())));
    expect([x(), x()].map(net as (t: Tensor) => Tensor).map(t => t.shape)).toEqual([
      [2, 3],
      [2, 3],
    ]);
    expect(bits(net.call(null, x()) as Tensor)).toBe(bits(net(x())));
  });

  it('is told apart from functions by a brand', () => {
    expect(nn.isBlock(new Mlp())).toBe(true);
    expect(nn.isBlock(new nn.Dense(2))).toBe(true);
    for (const other of [() => 1, Mlp, nn.Block, {}, null, undefined, 3, x(), Object.create(nn.Block.prototype)]) {
      expect(nn.isBlock(other)).toBe(false);
    }
  });

  it('leaves name and length to its users', () => {
    class Named extends Mlp {
      override name = 'mine';
      length = 7;
    }
    const named = new Named();
    expect([named.name, named.length]).toEqual(['mine', 7]);
    const plain = new Mlp();
    expect([plain.name, Object.hasOwn(plain, 'name'), Object.hasOwn(plain, 'length')]).toEqual(['Mlp', false, false]);
    plain.name = 'assigned';
    expect(plain.name).toBe('assigned');
    class Assigns extends nn.Block {
      constructor() {
        super();
        this.name = 'by the constructor';
        (this as unknown as { length: number }).length = 2;
      }
      forward(t: Tensor): Tensor {
        return t;
      }
    }
    expect(new Assigns().name).toBe('by the constructor');
    expect(new Assigns().collectParams().size).toBe(0);
  });

  it('never prints as a function', () => {
    const blocks = [
      new Mlp(),
      new nn.Sequential(),
      new nn.Sequential(new nn.Dropout(0.5), new nn.Lambda(t => t), new nn.Identity(), new nn.Flatten()),
      new nn.Activation('relu'),
      new nn.Dense(2, { useBias: false }),
    ];
    for (const block of blocks) {
      for (const text of [inspect(block), String(block), `${block}`, inspect([block]), inspect({ block })]) {
        expect(text).not.toContain('Function');
        expect(text).not.toContain('=>');
      }
    }
    expect(inspect(blocks[0])).toBe(
      'Mlp(\n  (hidden): Dense(-1 -> 5, Activation(relu))\n  (out): Dense(-1 -> 3, linear)\n)',
    );
    expect(inspect(new nn.Sequential(new nn.Sequential(new nn.Dropout(0.5))))).toBe(
      'Sequential(\n  (0): Sequential(\n    (0): Dropout(p = 0.5)\n  )\n)',
    );
  });

  it('with no forward of its own says so', () => {
    class Empty extends nn.Block {}
    expect(() => new Empty()(x())).toThrow(/Empty has no forward/);
  });
});

describe('apply', () => {
  it('visits every block, innermost first, each once', () => {
    const shared = new nn.Identity();
    const net = new nn.Sequential(new nn.Sequential(shared), new Mlp(), shared) as nn.Sequential;
    const seen: string[] = [];
    expect(
      net.apply(block => {
        seen.push(block.constructor.name);
      }),
    ).toBe(net);
    expect(seen.at(-1)).toBe('Sequential');
    expect([...seen].sort()).toEqual(['Dense', 'Dense', 'Identity', 'Mlp', 'Sequential', 'Sequential']);
    expect(seen.indexOf('Mlp')).toBeGreaterThan(seen.indexOf('Dense'));
  });

  it("is Gluon's and no function's own", () => {
    const net = new Mlp();
    const wrong: unknown[][] = [[null, [x()]], [undefined, [x()]], [new Mlp()], [net], [3], []];
    for (const args of wrong) {
      expect(thrown(() => (net.apply as (...a: unknown[]) => unknown)(...args))).toBeInstanceOf(ArgumentError);
    }
  });
});

/** A key that is no attribute name. */
const hidden: unique symbol = Symbol('hidden');

describe('members', () => {
  it.each([
    'collectParams',
    'initialize',
    'children',
    'params',
    'apply',
    'cast',
    'clone',
    'summary',
    'own',
    'prefix',
    'toString',
  ])("a field named '%s' raises", name => {
    class Wrong extends nn.Block {
      constructor() {
        super();
        Object.defineProperty(this, name, { value: new nn.Dense(2), enumerable: true, configurable: true });
      }
      forward(t: Tensor): Tensor {
        return t;
      }
    }
    const error = thrown(() => nn.Block.prototype.collectParams.call(new Wrong()));
    expect(error).toBeInstanceOf(BlockError);
    expect(error.message).toContain(`'${name}'`);
    expect(error.message).toContain('Wrong');
  });

  it('cycles raise', () => {
    class Loop extends nn.Block {
      inner: { block?: nn.Block } = {};
      forward(t: Tensor): Tensor {
        return t;
      }
    }
    const [a, b] = [new Loop(), new Loop()];
    a.inner.block = b;
    b.inner.block = a;
    const error = thrown(() => a.collectParams());
    expect(error).toBeInstanceOf(BlockError);
    expect(error.message).toContain('inner.block.inner.block');
    expect(error.message).toContain('unowned');
    const self = new Loop();
    self.inner.block = self;
    expect(() => self.initialize()).toThrow(/contains itself/);
    expect(String(self)).toMatch(/\(the block that contains it\)/);
  });

  it('the same block twice is one child under its first path', () => {
    const shared = new nn.Dense(4);
    const net = new nn.Sequential(shared, new nn.Activation('relu'), shared) as nn.Sequential;
    expect([...net.collectParams().keys()]).toEqual(['0.weight', '0.bias']);
    net.initialize();
    expect(net(x(4)).shape).toEqual([2, 4]);
  });

  it('are found in arrays, plain objects and Maps, nested, and nowhere else', () => {
    class Box {
      layer = new nn.Dense(1);
    }
    class Deep extends nn.Block {
      list = [[new nn.Dense(1)], { a: new Map<unknown, nn.Block>([[7, new nn.Dense(1)]]) }];
      bare = Object.assign(Object.create(null) as Record<string, nn.Block>, { b: new nn.Dense(1) });
      box = new Box();
      set = new Set([new nn.Dense(1)]);
      weak = new WeakMap();
      typed = new Float32Array(4);
      tensor = x();
      [hidden] = new nn.Dense(1);
      absent = null;
      forward(t: Tensor): Tensor {
        return t;
      }
    }
    expect([...new Deep().children.keys()]).toEqual(['list.0.0', 'list.1.a.7', 'bare.b']);
  });

  it('containers that contain themselves are looked through once', () => {
    const list: unknown[] = [new nn.Dense(1)];
    list.push(list);
    class Ring extends nn.Block {
      list = list;
      forward(t: Tensor): Tensor {
        return t;
      }
    }
    expect([...new Ring().children.keys()]).toEqual(['list.0']);
  });

  it('two members of one path are both kept, or refused: none is lost in silence', () => {
    class Twice extends nn.Block {
      scales = new Map<unknown, nn.Parameter>([
        [1, new nn.Parameter({ shape: [2] })],
        ['1', new nn.Parameter({ shape: [2] })],
      ]);
      forward(t: Tensor): Tensor {
        return t;
      }
    }
    let size = 0;
    try {
      size = new Twice().collectParams().size;
    } catch (error) {
      expect(error).toBeInstanceOf(BlockError);
      expect((error as Error).message).toContain('scales.1');
      return;
    }
    expect(size).toBe(2);
  });

  it('unowned blocks are not children', () => {
    class Child extends nn.Block {
      parent = nn.unowned(this as nn.Block);
      layer = new nn.Dense(2);
      forward(t: Tensor): Tensor {
        return this.layer(t);
      }
    }
    class Parent extends nn.Block {
      child = new Child();
      constructor() {
        super();
        this.child.parent = nn.unowned(this as nn.Block);
      }
      forward(t: Tensor): Tensor {
        return this.child(t);
      }
    }
    const parent = new Parent();
    parent.initialize();
    expect(parent(x()).shape).toEqual([2, 2]);
    expect([...parent.collectParams().keys()]).toEqual(['child.layer.weight', 'child.layer.bias']);
    expect(parent.child.parent.block).toBe(parent);
    expect(parent.clone().child.parent.block).not.toBe(parent);
  });

  it("a clone's references lead into the clone, wherever the block stands", () => {
    class Both extends nn.Block {
      reference: ReturnType<typeof nn.unowned<nn.Block>>;
      layer: nn.Block = new Mlp();
      constructor() {
        super();
        this.reference = nn.unowned(this.layer);
      }
      forward(t: Tensor): Tensor {
        return this.layer(t) as Tensor;
      }
    }
    const twin = new Both().clone();
    expect(twin.reference.block).toBe(twin.layer);
  });

  it('a clone has what is kept under any key', () => {
    class Keyed extends nn.Block {
      readonly layers = Object.fromEntries(['__proto__', 'constructor', 'a'].map(key => [key, new nn.Dense(2)]));
      forward(t: Tensor): Tensor {
        return Object.values(this.layers).reduce((y, layer) => layer(y), t);
      }
    }
    const net = new Keyed();
    const paths = [...net.collectParams().keys()];
    expect(paths).toContain('layers.__proto__.weight');
    const twin = net.clone();
    expect([...twin.collectParams().keys()]).toEqual(paths);
    expect(Object.getPrototypeOf(twin.layers)).toBe(Object.prototype);
  });

  it('private fields are not seen, and the first call says so', () => {
    class Hidden extends nn.Block {
      #layer = new nn.Dense(2);
      forward(t: Tensor): Tensor {
        return this.#layer(t);
      }
    }
    for (const settle of [(net: Hidden) => net(x()), (net: Hidden) => net.inferShape([2, 4])]) {
      const net = new Hidden();
      net.initialize();
      const error = thrown(() => settle(net));
      expect(error).toBeInstanceOf(BlockError);
      expect(error.message).toContain('Dense');
      expect(error.message).toContain('Hidden');
      expect(error.message).toContain('private (#)');
      expect(error.message).toContain("this.own('name', block)");
    }
  });

  it('a hidden layer is found out also when it is ready', () => {
    const outside = new nn.Dense(2, { inUnits: 4 });
    outside.initialize();
    const net = new nn.Sequential(new nn.Dense(4), new nn.Lambda(t => outside(t)));
    net.initialize();
    expect(() => net(x())).toThrow(BlockError);
    const plain = new nn.Lambda(t => outside(t));
    expect(() => plain(x())).toThrow(BlockError);
  });

  it('own registers a private block under a name', () => {
    class Owns extends nn.Block {
      #layer = this.own('layer', new nn.Dense(2));
      forward(t: Tensor): Tensor {
        return this.#layer(t);
      }
    }
    const net = new Owns();
    net.initialize();
    expect(net(x()).shape).toEqual([2, 2]);
    expect([...net.collectParams().keys()]).toEqual(['layer.weight', 'layer.bias']);
    expect(() => net.own('layer', new nn.Dense(1))).toThrow(/'layer'/);
    expect(() => net.own('more', (() => 1) as never)).toThrow(ArgumentError);
  });
});

describe('Sequential', () => {
  it('is indexed, iterated, measured and sliced by get', () => {
    const [a, b] = [new nn.Dense(3), new nn.Activation('relu')];
    const net = new nn.Sequential(a, b);
    expect(net[0]).toBe(a);
    expect([...net]).toEqual([a, b]);
    expect(net.length).toBe(2);
    expect(net.layers).toEqual([a, b]);
    expect(net.get(-1, nn.Activation)).toBe(b);
    expect(() => net.get(0, nn.Activation)).toThrow(/layer 0 is a Dense, no Activation/);
    expect(() => net.get(2, nn.Dense)).toThrow(/no layer 2 among 2/);
    for (const type of [() => undefined, 'Dense', null, Math.max, {}])
      expect(() => net.get(0, type as never)).toThrow(
        /^Sequential\.get takes a class of layers, as nn\.Dense, but got /,
      );
    expect(net.add(new nn.Dense(2))).toBe(net);
    expect(net.length).toBe(3);
  });

  it('takes blocks alone', () => {
    expect(() => new nn.Sequential((() => 1) as never)).toThrow(/new nn.Lambda/);
    expect(() => new nn.Sequential().add(new nn.Dense(1), 3 as never)).toThrow(ArgumentError);
    const net = new nn.Sequential();
    expect(() => net.add(new nn.Dense(1), null as never)).toThrow(ArgumentError);
    expect(net.length).toBe(0);
  });

  it('without layers is the identity', () => {
    const input = x();
    expect(new nn.Sequential()(input)).toBe(input);
  });

  it('is extended', () => {
    class Two extends nn.Sequential {
      extra = new nn.Dense(7);
      constructor() {
        super(new nn.Dense(3), new nn.Dense(2));
      }
      override forward(t: Tensor): Tensor {
        return this.extra(super.forward(t));
      }
    }
    const net = new Two();
    net.initialize();
    expect(net(x()).shape).toEqual([2, 7]);
    expect([...net.children.keys()]).toEqual(['0', '1', 'extra']);
  });
});
