import {
  autograd,
  BlockError,
  init,
  memory,
  nn,
  OutOfMemoryError,
  ones,
  random,
  type Tensor,
  tensor,
  zeros,
} from '../../../lib/index.js';

test('a parameter in a private field raises, rather than quietly not being trained', () => {
  class Hidden extends nn.Block {
    d = new nn.Dense(1, { useBias: false });
    #p = new nn.Parameter({ shape: [1] });
    constructor() {
      super();
      this.#p.setData(zeros([1]));
    }
    forward(x: Tensor): Tensor {
      return this.d(x).add(this.#p.data());
    }
  }
  const net = new Hidden();
  net.initialize();
  expect(() => net(ones([1, 3]))).toThrow(BlockError);
  expect(() => net(ones([1, 3]))).toThrow(
    /A Parameter .* is not among its parameters, so it would not be trained or saved/,
  );
});

test('what onReady calls may be another net', () => {
  const other = new nn.Sequential(new nn.Dense(3, { inUnits: 4 }));
  other.initialize();
  other(ones([2, 4]));
  const net = new nn.Sequential(new nn.Dense(2));
  net.initialize();
  let seen: readonly number[] = [];
  net[0].weight.onReady(() => {
    seen = other(ones([2, 4])).shape;
  });
  expect(net(ones([1, 5])).shape).toEqual([1, 2]);
  expect(seen).toEqual([2, 3]);
});

test('every onReady callback runs, also after one that throws', () => {
  const layer = new nn.Dense(2);
  layer.initialize();
  let ran = false;
  layer.weight.onReady(() => {
    throw new Error('on purpose');
  });
  layer.weight.onReady(() => {
    ran = true;
  });
  expect(() => layer(ones([1, 3]))).toThrow('on purpose');
  expect(ran).toBe(true);
  expect(layer.weight.state).toBe('ready');
});

test('a cast that memory refuses changes no parameter', () => {
  const net = new nn.Sequential(new nn.Dense(1024, { inUnits: 4 }), new nn.Dense(1024, { inUnits: 1024 }));
  net.initialize();
  memory.collect();
  memory.setLimit(memory.info().liveBytes + 2 ** 20);
  expect(() => net.cast('float64')).toThrow(OutOfMemoryError);
  memory.setLimit();
  for (const parameter of net.collectParams().values()) {
    expect([parameter.dtype, parameter.data().dtype]).toEqual(['float32', 'float32']);
  }
  net.cast('float64');
  expect(net[1].weight.data().dtype).toBe('float64');
});

test('a failed first call takes back casts and settings', () => {
  class Meddling extends nn.Block {
    d = new nn.Dense(3);
    forward(_: Tensor): Tensor {
      this.d.cast('float64');
      this.d.weight.gradReq = 'null';
      this.d.weight.lrMult = 0;
      this.d.weight.wdMult = 0;
      throw new Error('on purpose');
    }
  }
  const net = new Meddling();
  net.initialize();
  expect(() => net(ones([1, 2]))).toThrow('on purpose');
  const { weight } = net.d;
  expect([weight.dtype, weight.gradReq, weight.lrMult, weight.wdMult]).toEqual(['float32', 'write', 1, 1]);
});

test("a parameter's tensor cannot be disposed of; its gradient can, and counts as none", () => {
  const layer = new nn.Dense(2, { inUnits: 2 });
  layer.initialize();
  expect(() => layer.weight.data().dispose()).toThrow(/belongs to parameter weight, dense\d+_weight; clone\(\) it/);
  const x = tensor([[1, 2]]);
  autograd.record(() => layer(x).sum()).backward();
  layer.weight.grad().dispose();
  expect(layer.weight.grad().toArray()).toEqual([
    [0, 0],
    [0, 0],
  ]);
  layer.weight.grad().dispose();
  layer.zeroGrad();
  autograd.record(() => layer(x).sum()).backward();
  expect(layer.weight.grad().toArray()).toEqual([
    [1, 2],
    [1, 2],
  ]);
});

test('random.seed inside an initializer raises, and the program’s stream stays', () => {
  class Seeding extends init.Initializer {
    override initWeight(_: string, data: Tensor): void {
      random.seed(9);
      data.copyFrom(random.uniform([...data.shape]));
    }
  }
  random.seed(1);
  const expected = random.uniform([1]).item();
  random.seed(1);
  const layer = new nn.Dense(3);
  layer.initialize({ init: new Seeding() });
  expect(() => layer(ones([1, 5]))).toThrow(/random.seed was called from inside an initializer/);
  expect(random.uniform([1]).item()).toBe(expected);
});

test('a deferred clone keeps the initializer of its layer', () => {
  const twin = new nn.Dense(2, { weightInitializer: 'ones' }).clone();
  twin.initialize();
  twin(ones([1, 3]));
  expect(twin.weight.data().toArray()).toEqual([
    [1, 1, 1],
    [1, 1, 1],
  ]);
});

test('operators of JavaScript raise on tensors', () => {
  const x = tensor([1, 2]);
  expect(() => Number(x)).toThrow(/write x.add\(y\)/);
  expect(() => (x as unknown as number) - 1).toThrow(/no operators/);
  expect(`${x}`).toBe('tensor([1, 2])');
});
