import { arange, autograd, compileStep, nn, random, type Tensor, Trainer, tensor } from '../../lib/index.js';
import { plansOf } from '../../lib/nn/block/plans.js';
import { bits } from '../support/nn-helpers.js';
import { netOf } from '../support/onnx-models.js';
import { full, makeRandom } from '../support/random.js';

type Random = ReturnType<typeof makeRandom>;
type Line = (x: Tensor) => Tensor;

const sizeOf = (x: Tensor, axis: number): number => x.shape[axis] as number;

/** A random step of a forward over x[batch, places, 4], which depends on a size in some way. */
function makeLine(r: Random): { text: string; run: Line } {
  const axis = r.int(0, 1);
  const n = `n${axis}`;
  const at = r.pick([2, 3, 5, 8, 17, 33, 100, 700]);
  const scale = 1 + r.int(1, 7) / 8;
  const lines: Readonly<Record<string, Line>> = {
    [`${n} > ${at}`]: x => (sizeOf(x, axis) > at ? (x.mul(scale) as Tensor) : x.sin()),
    [`${n} === ${at}`]: x => (sizeOf(x, axis) === at ? x : (x.add(scale) as Tensor)),
    [`${n} % ${at}`]: x => x.mul((sizeOf(x, axis) % at) + scale) as Tensor,
    [`min(${n}, ${at})`]: x => x.div(Math.min(sizeOf(x, axis), at) + 1) as Tensor,
    [`half of ${n}`]: x => x.slice(...(axis === 0 ? [] : [null]), [0, (sizeOf(x, axis) >> 1) + 1]),
    [`1/sqrt ${n}`]: x => x.mul(1 / Math.sqrt(sizeOf(x, axis) + 1)) as Tensor,
    [`numbers of ${n}`]: x => x.add(tensor([sizeOf(x, axis) * scale])) as Tensor,
    [`arange ${n}`]: x => x.add(arange(sizeOf(x, axis)).reshape(axis === 0 ? [-1, 1, 1] : [-1, 1])) as Tensor,
    'both in one': x =>
      x
        .reshape([sizeOf(x, 0) * sizeOf(x, 1), 4])
        .tanh()
        .reshape(x.shape) as Tensor,
    [`as often as ${n} allows`]: x => {
      let y = x;
      for (let i = 0; i < sizeOf(x, axis) && i < 3; i++) y = y.sin().add(0.5) as Tensor;
      return y;
    },
    [`unless ${n} is 1`]: x => (sizeOf(x, axis) === 1 ? x : (x.sub(x.mean({ axis, keepdims: true })) as Tensor)),
    'other axes first': x => x.swapAxes(0, 1).exp().swapAxes(0, 1) as Tensor,
  };
  const text = r.pick(Object.keys(lines));
  return { text, run: lines[text] as Line };
}

const rounds = full ? 1000 : 100;

test(`${rounds} random nets that depend on sizes give by plans what they give without, bit for bit`, () => {
  const r = makeRandom(77);
  const wrong: string[] = [];
  let shared = 0;
  for (let round = 0; round < rounds && wrong.length < 3; round++) {
    const lines = Array.from({ length: r.int(1, 5) }, () => makeLine(r));
    const forward = (x: Tensor): Tensor => lines.reduce((y, line) => line.run(y), x);
    const net = netOf(x => forward(x as Tensor));
    net.hybridize();
    let calls = 0;
    for (let call = 0; call < 12; call++) {
      const size = (): number => (r.next() < 0.1 ? r.pick([100, 101, 300, 701]) : r.int(1, 40));
      const x = random.uniform([size(), size(), 4]).sub(0.5) as Tensor;
      const gradient = (body: (x: Tensor) => unknown): string => {
        x.attachGrad();
        autograd.record(() => (body(x) as Tensor).square().sum()).backward();
        return bits(x.grad as Tensor);
      };
      const given = [net(x) as Tensor, net.predictSync(x) as Tensor].map(bits);
      const want = bits(forward(x));
      if (given.some(one => one !== want) || gradient(net) !== gradient(forward))
        wrong.push(`${x.shape}: ${lines.map(line => line.text).join('; ')}`);
      calls++;
    }
    if ((plansOf(net)?.made ?? calls) < calls) shared++;
  }
  expect(wrong).toEqual([]);
  expect(shared).toBeGreaterThan(rounds / 2);
});

describe('an encoder', () => {
  const encoder = (): nn.Sequential => {
    const net = new nn.Sequential();
    for (let i = 0; i < 2; i++) net.add(new nn.TransformerEncoderLayer(2, { hiddenUnits: 16, dropout: 0 }));
    net.initialize();
    net.inferShape([1, 1, 8]);
    return net;
  };
  test('takes any number of sentences and places by one plan', () => {
    const net = encoder();
    net.hybridize();
    for (let places = 2; places < 42; places++) {
      const x = random.normal([1 + (places % 5), places, 8]);
      expect(bits(net(x) as Tensor)).toBe(bits(net.forward(x) as Tensor));
    }
    expect(plansOf(net)?.made).toBe(1);
  });
  test('with a table of places, of which it takes as many as it has, is given a second plan once', () => {
    class Placed extends nn.Block {
      readonly table = new nn.Parameter({ shape: [64, 8] });
      readonly layers = encoder();
      override forward(x: Tensor): Tensor {
        return this.layers(
          x.add(
            this.table
              .data()
              .slice([0, sizeOf(x, 1)])
              .mul(2),
          ) as Tensor,
        ) as Tensor;
      }
    }
    const net = new Placed() as unknown as nn.Block & Placed;
    net.initialize();
    net.hybridize();
    for (let places = 3; places < 43; places++) {
      const x = random.normal([2, places, 8]);
      expect(bits(net(x) as Tensor)).toBe(bits(net.forward(x) as Tensor));
      if (places === 20) net.table.setData(net.table.data().mul(3) as Tensor);
    }
    expect(plansOf(net)?.made).toBe(2);
  });
  test('trains on sentences of any length by one plan', () => {
    const train = (compiled: boolean) => {
      random.seed(4);
      const net = encoder();
      const lossOf = (y: Tensor): Tensor => y.square().mean({ axis: [1, 2] });
      const trainer = new Trainer(net.collectParams(), 'sgd', { learningRate: 0.1 });
      const step = compileStep(net, lossOf, trainer);
      const losses: string[] = [];
      for (const places of [5, 9, 2, 5, 13, 1]) {
        const x = random.normal([3, places, 8]);
        if (compiled) {
          losses.push(bits(step(x)));
          continue;
        }
        const l = autograd.record(() => lossOf(net(x) as Tensor));
        l.backward();
        trainer.step(3);
        losses.push(bits(l));
      }
      return [losses, [...net.collectParams().values()].map(p => bits(p.data()))];
    };
    expect(train(true)).toEqual(train(false));
  });
});

test('a picture of any size goes through one plan where its layers divide it alike', () => {
  const net = new nn.Sequential(
    new nn.Conv2D(4, { kernelSize: 3, strides: 2, padding: 1 }),
    new nn.BatchNorm(),
    new nn.Activation('relu'),
    new nn.MaxPool2D(),
    new nn.GlobalAvgPool2D(),
    new nn.Dense(2),
  ) as nn.Sequential;
  net.initialize();
  net.hybridize();
  for (const [height, width] of [
    [16, 16],
    [17, 23],
    [32, 9],
    [8, 40],
  ]) {
    const x = random.normal([2, 3, height as number, width as number]);
    const [given, want] = [net(x), net.forward(x)] as [Tensor, Tensor];
    given.toArray<number[][]>().forEach((row, i) => {
      row.forEach((value, j) => {
        expect(value).toBeCloseTo(want.toArray<number[][]>()[i]?.[j] as number, 5);
      });
    });
  }
  expect(plansOf(net)?.made).toBe(1);
});

test('random numbers come from the generator that a forward chooses by a size', () => {
  const drawn = (isHybrid: boolean) => {
    const [few, many] = [new random.Generator(1), new random.Generator(2)];
    const net = netOf(x => x.add(random.uniform([2], { generator: sizeOf(x, 0) > 3 ? many : few })));
    if (isHybrid) net.hybridize();
    return [2, 5, 3, 7, 2].map(n => bits(net(tensor(new Array<number[]>(n).fill([0, 0]))) as Tensor));
  };
  expect(drawn(true)).toEqual(drawn(false));
});

test('sizes that a net has met long ago are forgotten, and gradients that go back through them still come', () => {
  const net = netOf(x => (x as Tensor).mul(2).sin());
  net.hybridize();
  const x = random.uniform([3, 2]);
  x.attachGrad();
  const y = autograd.record(() => (net(x) as Tensor).sum());
  for (let n = 1; n < 200; n++) {
    const other = random.uniform([n, 2]);
    other.attachGrad();
    autograd.record(() => net(other));
    net(other);
  }
  y.backward();
  expect(bits(x.grad as Tensor)).toBe(bits(x.mul(2).cos().mul(2) as Tensor));
  expect(plansOf(net)?.sizedPlans.length).toBe(128);
  expect(plansOf(net)?.made).toBe(1);
});
