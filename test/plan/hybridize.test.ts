import { autograd, nn, random, ShapeError, type Tensor, tensor } from '../../lib/index.js';
import { plansOf } from '../../lib/nn/block/plans.js';
import { dense } from '../../lib/ops/dense.js';
import { whatStays } from '../support/memory.js';
import { bits, thrown, values, warningsOf } from '../support/nn-helpers.js';

const batch = (n: number, width = 5): Tensor => tensor(values(n * width, n), { shape: [n, width] });

function mlp(): nn.Sequential {
  random.seed(1);
  const net = new nn.Sequential(new nn.Dense(4, { activation: 'tanh' }), new nn.Dense(3)) as nn.Sequential;
  net.initialize();
  return net;
}

/** A block whose forward is a function of it. */
class Custom extends nn.Block {
  readonly gate = new nn.Dense(3);
  scale = 2;
  calls = 0;
  constructor(readonly body: (self: Custom, x: Tensor) => unknown) {
    super();
  }
  forward(x: Tensor): Tensor {
    return this.body(this, x) as Tensor;
  }
}

function custom(body: (self: Custom, x: Tensor) => unknown): Custom {
  const net = new Custom(body);
  net.initialize();
  net.inferShape([2, 5]);
  return net;
}

test('a net may be hybridized before anything is known of it', () => {
  const [eager, planned] = [mlp(), mlp()];
  planned.hybridize();
  expect(bits(planned(batch(4)))).toBe(bits(eager(batch(4))));
  expect(planned.get(0, nn.Dense).inUnits).toBe(5);
  expect(plansOf(planned)?.made).toBe(1);
});

test('a thousand batch sizes in a row take one plan', () => {
  const net = mlp();
  net(batch(2));
  net.hybridize();
  for (let n = 2; n < 1002; n++) expect(net(batch(n)).shape).toEqual([n, 3]);
  expect(plansOf(net)?.made).toBe(1);
});

test('what a forward gives at another size in front is not taken for the batch', () => {
  // The sizes of two inputs that differ in front depend on nothing.
  class Two extends nn.Block {
    forward(a: Tensor, b: Tensor): Tensor {
      return a.sum({ axis: 0 }).add(b.sum({ axis: 0 })) as Tensor;
    }
  }
  const net = new Two();
  net.hybridize();
  for (const [n, m] of [
    [2, 3],
    [4, 3],
    [4, 4],
    [6, 6],
  ] as const) {
    const expected = net.forward(batch(n), batch(m));
    expect(bits(net(batch(n), batch(m)))).toBe(bits(expected));
  }
});

test('a forward that does other things at other batch sizes has a plan for each way', () => {
  const net = custom((self, x) => (x.shape[0]! > 20 ? self.gate(x) : self.gate(x).mul(x.shape[0]! % 2)));
  net.hybridize();
  for (const n of [2, 3, 30, 3, 2]) expect(bits(net(batch(n)))).toBe(bits(net.forward(batch(n))));
  expect(plansOf(net)?.made).toBe(2);
});

test('sizes of the batch are read rightly', () => {
  const net = custom((self, x) =>
    self
      .gate(x)
      .reshape([x.shape[0]! * 3])
      .div(x.shape[0]!)
      .add(x.size),
  );
  net.hybridize();
  for (const n of [2, 3, 30]) expect(bits(net(batch(n)))).toBe(bits(net.forward(batch(n))));
});

test('a trained parameter is seen at the next call, and so is one that was loaded, drawn again or cast', () => {
  const net = mlp();
  net(batch(2));
  net.hybridize();
  const both = () => {
    const x = batch(4).cast(net.get(0, nn.Dense).weight.dtype);
    expect(bits(net(x))).toBe(bits(net.forward(x)));
  };
  both();
  net.get(0, nn.Dense).weight.setData(tensor(values(20, 9), { shape: [4, 5] }));
  both();
  net.initialize({ forceReinit: true });
  both();
  net.fromBytes(mlpBytes());
  both();
  net.cast('float64');
  both();
  expect(plansOf(net)?.made).toBe(2);
  net.cast('float32');
  both();
});

function mlpBytes(): Uint8Array {
  const net = mlp();
  net(batch(2));
  return net.toBytes();
}

test('a layer that is added, replaced or taken from an array is seen', () => {
  class Listed extends nn.Block {
    layers: nn.Block[] = [new nn.Dense(5), new nn.Dense(5)] as unknown as nn.Block[];
    named = new Map<string, nn.Block>([['a', new nn.Dense(5) as unknown as nn.Block]]);
    forward(x: Tensor): Tensor {
      let h = x;
      for (const layer of [...this.layers, ...this.named.values()]) h = layer(h) as Tensor;
      return h;
    }
  }
  const net = new Listed();
  const check = () => {
    net.initialize();
    expect(bits(net(batch(4)))).toBe(bits(net.forward(batch(4))));
  };
  net.hybridize();
  check();
  net.layers.push(new nn.Dense(5) as unknown as nn.Block);
  check();
  net.layers[0] = new nn.Dense(5) as unknown as nn.Block;
  check();
  net.layers.shift();
  check();
  net.named.set('a', new nn.Dense(5) as unknown as nn.Block);
  check();
  const sequential = mlp();
  sequential.hybridize();
  sequential(batch(2));
  sequential.add(new nn.Dense(7));
  sequential.initialize();
  expect(sequential(batch(2)).shape).toEqual([2, 7]);
});

test('plain values are constants until the net is traced again', () => {
  const net = custom((self, x) => x.mul(self.scale));
  net.hybridize();
  const x = batch(2);
  net(x);
  net.scale = 3;
  expect(bits(net(x))).toBe(bits(x.mul(2)));
  net.retrace();
  expect(bits(net(x))).toBe(bits(x.mul(3)));
});

test('modes have plans of their own', () => {
  const net = new nn.Sequential(new nn.BatchNorm(), new nn.Dropout(0.5), new nn.Dense(40)) as nn.Sequential;
  const run = (hybridized: boolean) => {
    random.seed(4);
    net.initialize({ forceReinit: true });
    net.hybridize(hybridized);
    const call = () => bits(net(batch(6)));
    return [call(), autograd.trainMode(call), autograd.trainMode(call), call(), bits(random.uniform([2]))];
  };
  net.initialize();
  net(batch(2));
  expect(run(true)).toEqual(run(false));
});

test('gradients flow as ever', () => {
  const net = mlp();
  net.hybridize();
  net(batch(4));
  autograd.record(() => net(batch(4)).sum()).backward();
  const planned = bits(net.get(0, nn.Dense).weight.grad());
  net.zeroGrad();
  autograd.record(() => net.forward(batch(4)).sum()).backward();
  expect(bits(net.get(0, nn.Dense).weight.grad())).toBe(planned);
});

test('several inputs and outputs keep their structure, and what is handed on is handed on', () => {
  const seen: unknown[] = [];
  class Structured extends nn.Block {
    readonly weight = new nn.Parameter({ shape: [5], init: 'ones' });
    forward(given: { x: Tensor; list: readonly Tensor[] }, times: number) {
      seen.push(times);
      const [a] = given.list as [Tensor];
      return { sum: given.x.add(a), same: given.x, weight: this.weight.data(), deep: [[a.mul(times)]], times };
    }
  }
  const net = new Structured();
  net.initialize();
  net.hybridize();
  const [x, a] = [batch(2), batch(2).neg()];
  const call = (times: number) => net({ x, list: [a] }, times);
  const result = call(3);
  expect(result.same).toBe(x);
  expect(result.weight).toBe(net.weight.data());
  expect(result.times).toBe(3);
  expect(bits(result.deep[0]![0]!)).toBe(bits(a.mul(3)));
  expect(bits(result.sum)).toBe(bits(x.add(a)));
  const before = seen.length;
  expect(bits(call(3).sum)).toBe(bits(x.add(a)));
  expect(seen.length).toBe(before);
  expect(bits(call(4).deep[0]![0]!)).toBe(bits(a.mul(4)));
});

test('inputs that are windows are taken in order', () => {
  const net = mlp();
  net(batch(4));
  net.hybridize();
  const wide = tensor(values(40), { shape: [5, 8] });
  for (const x of [wide.transpose(), wide.transpose().slice([0, null, 2]), batch(4).slice([null, null, -1])]) {
    expect(bits(net(x))).toBe(bits(net.forward(x)));
  }
});

test('hooks of the net run around a plan, and those inside keep it eager', () => {
  const net = mlp();
  net(batch(2));
  net.hybridize();
  const seen: string[] = [];
  net.registerForwardHook(() => seen.push('net') && undefined);
  net(batch(2));
  expect(plansOf(net)?.made).toBe(1);
  const inner = (net[0] as nn.Block).registerForwardHook(() => seen.push('inner') && undefined);
  net(batch(2));
  inner.remove();
  net(batch(2));
  expect(seen).toEqual(['net', 'inner', 'net', 'net']);
});

test('errors are those of the forward', () => {
  const net = mlp();
  net(batch(4));
  const messages = (x: Tensor) => {
    const planned = thrown(() => net(x));
    net.hybridize(false);
    const eager = thrown(() => net(x));
    net.hybridize();
    expect(planned.message).toBe(eager.message);
    expect(planned.constructor).toBe(eager.constructor);
    return planned;
  };
  net.hybridize();
  net(batch(4));
  expect(messages(batch(4, 6))).toBeInstanceOf(ShapeError);
  messages(batch(4).cast('float64'));
  messages(tensor([1, 2, 3]));
  const gone = batch(4);
  gone.dispose();
  messages(gone);
  const table = new nn.Embedding(5, 2);
  table.initialize();
  table.hybridize();
  const ids = (id: number) => tensor([0, id], { dtype: 'int32' });
  table(ids(1));
  expect(thrown(() => table(ids(5))).message).toMatch(/index/);
  // The plan serves on.
  expect(bits(table(ids(4)))).toBe(bits(table.forward(ids(4))));
});

describe('a forward that no plan can be made of is refused', () => {
  const inside = (body: (self: Custom, x: Tensor) => unknown) => {
    const outer = new nn.Sequential(new Custom(body));
    outer.initialize();
    outer.hybridize();
    return thrown(() => outer(batch(2))).message;
  };
  test('when it reads a value', () => {
    expect(inside((_, x) => (x.sum().item() > 0 ? x : x.neg()))).toBe(
      "hybridize: a tensor's value was read while tracing, in Custom '0' in Sequential; what is traced runs without JavaScript, so compute with tensors, or call hybridize(false)",
    );
    // Even where it goes on without.
    expect(
      inside((_, x) => {
        try {
          x.toArray();
        } catch {}
        return x;
      }),
    ).toMatch(/read while tracing, in Custom '0'/);
  });
  test('when it draws numbers of its own', () => {
    expect(inside((_, x) => x.mul(Math.random()))).toMatch(/Math\.random\(\) was called while tracing, in Custom '0'/);
    expect(typeof Math.random()).toBe('number');
  });
  test('when it writes into its input', () => {
    expect(inside((_, x) => x.copyFrom(x.mul(2)))).toMatch(/was written to while tracing/);
  });
  test('when it does something else each time', () => {
    expect(inside((self, x) => x.mul(++self.calls * self.calls))).toMatch(/does something else each time/);
  });
  test('and leaves everything as it was', () => {
    const net = new nn.Sequential(new Custom((_, x) => (x.sum().item() > 0 ? x : x))) as nn.Sequential;
    net.initialize();
    net.hybridize();
    expect(() => net(batch(2))).toThrow(/read while tracing/);
    net.hybridize(false);
    expect(bits(net(batch(2)))).toBe(bits(batch(2)));
  });
});

test('verify finds what a trace does not see', () => {
  const net = custom((self, x) => x.mul(self.scale));
  net.hybridize(true, { verify: 2 });
  net(batch(2));
  net.scale = 3;
  expect(() => net(batch(2))).toThrow(
    /the plan of Custom does not do what its forward does: element \d+ of result 0 is/,
  );
  const noisy = new nn.Sequential(new nn.Dropout(0.5), new nn.BatchNorm()) as nn.Sequential;
  const run = (verify: number | null) => {
    random.seed(4);
    noisy.initialize({ forceReinit: true });
    noisy.hybridize(verify !== null, verify === null ? {} : { verify });
    return autograd.trainMode(() => [1, 2, 3].map(() => bits(noisy(batch(6)))));
  };
  noisy.initialize();
  noisy(batch(6));
  expect(run(2)).toEqual(run(null));
});

test('a net that keeps needing new plans is told so once, and they are bounded', () => {
  const net = custom((_, x) => Array.from({ length: x.shape[1] as number }).reduce<Tensor>(y => y.mul(2), x));
  net.hybridize();
  const seen = warningsOf(() => {
    for (let width = 1; width <= 80; width++) net(tensor(values(2 * width), { shape: [2, width] }));
  });
  expect(seen.map(w => w.code)).toEqual(['LATENT_MANY_PLANS']);
  expect(seen[0]?.text).toMatch(/^Custom has been given 64 plans/);
  expect(plansOf(net)?.plans.length).toBe(16);
});

test('options are checked', () => {
  const net = mlp();
  expect(() => net.hybridize(1 as never)).toThrow(/Sequential\.hybridize takes true or false/);
  expect(() => net.hybridize(true, { verfy: 1 } as never)).toThrow(/verify/);
  expect(() => net.hybridize(true, { verify: -1 })).toThrow(/verify/);
});

test('plans and what they hold go with their net', () => {
  const run = () => {
    const net = mlp();
    net.hybridize();
    for (const n of [1, 2, 3]) net(batch(n));
  };
  run();
  const before = whatStays();
  for (let i = 0; i < 50; i++) run();
  expect(whatStays()).toEqual(before);
});

test('a result that depends on parameters alone is new in each call', () => {
  class Both extends nn.Block {
    weight = new nn.Parameter({ shape: [3] });
    forward(x: Tensor): Tensor[] {
      return [x.mul(2) as Tensor, this.weight.data().exp().mul(3) as Tensor];
    }
  }
  const net = new Both();
  net.weight.setData(tensor([0, 0, 0]));
  net.hybridize();
  const results = () => net(batch(2, 3))[1] as Tensor;
  const first = results();
  first.set(0, 7);
  expect([first.toArray(), results().toArray()]).toEqual([
    [7, 3, 3],
    [3, 3, 3],
  ]);
});

test('a product reads what the forward has written to its weight', () => {
  class Halving extends nn.Block {
    weight = new nn.Parameter({ shape: [64, 64] });
    forward(x: Tensor): Tensor {
      const weight = this.weight.data();
      weight.copyFrom(weight.mul(0.5) as Tensor);
      return dense(x, weight, null);
    }
  }
  const [eager, planned] = [new Halving(), new Halving()];
  for (const net of [eager, planned]) net.weight.setData(tensor(values(64 * 64), { shape: [64, 64] }));
  planned.hybridize();
  const x = tensor(values(64 * 64, 2), { shape: [64, 64] });
  // More calls than it takes to keep a weight in the form that products read.
  for (let i = 0; i < 5; i++) expect(bits(planned(x))).toBe(bits(eager(x)));
});
