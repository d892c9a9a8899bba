import { autograd, compileStep, loss, nn, ones, random, type Tensor, Trainer, tensor } from '../../../lib/index.js';
import { allBits, bits, inFolder, thrown, values } from '../../support/nn-helpers.js';

beforeEach(() => random.seed(3));

const x = tensor(values(24), { shape: [6, 4] });
const far = x.mul(5).add(9) as Tensor;
const running = /running/;
const learnt = /^(?!.*running)/;

const build = () => {
  nn.resetNames();
  random.seed(7);
  const net = new nn.Sequential(new nn.Dense(3, { inUnits: 4 }), new nn.BatchNorm(), new nn.Dense(1));
  net.initialize({ init: 'xavier' });
  autograd.trainMode(() => net(x));
  return net;
};
type Net = ReturnType<typeof build>;
const statisticsOf = (net: Net) => [bits(net[1].runningMean.data()), bits(net[1].runningVar.data())];
const train = (net: Net) => autograd.record(() => net(far).square().sum()).backward();

describe("gradReq 'null'", () => {
  it('freezes running statistics with the rest, and then a forward in training is one in prediction', () => {
    const net = build();
    net.collectParams().setAttr('gradReq', 'null');
    const before = statisticsOf(net);
    const trained = autograd.record(() => net(far));
    expect(statisticsOf(net)).toEqual(before);
    expect(bits(trained)).toBe(bits(net(far)));
  });

  it('freezes the statistics alone, and gamma and beta learn on', () => {
    const net = build();
    net.collectParams(running).setAttr('gradReq', 'null');
    const [before, gamma] = [statisticsOf(net), bits(net[1].gamma!.data())];
    const trainer = new Trainer(net.collectParams(), 'sgd', { learningRate: 0.1 });
    train(net);
    trainer.step(6);
    expect(statisticsOf(net)).toEqual(before);
    expect(bits(net[1].gamma!.data())).not.toBe(gamma);
  });

  it('freezes what is learnt alone, and statistics follow the batches as they did', () => {
    const [net, plain] = [build(), build()];
    net.collectParams(learnt).setAttr('gradReq', 'null');
    const before = allBits(net);
    const trained = autograd.trainMode(() => net(far));
    expect(bits(trained)).toBe(bits(autograd.trainMode(() => plain(far))));
    expect(statisticsOf(net)).toEqual(statisticsOf(plain));
    expect(statisticsOf(net)).not.toEqual([before['1.runningMean'], before['1.runningVar']]);
  });

  it("of one statistic keeps that one, and 'write' and 'add' let both go on", () => {
    const net = build();
    net.collectParams(/runningVar/).setAttr('gradReq', 'null');
    const [mean, variance] = statisticsOf(net);
    autograd.trainMode(() => net(far));
    expect(bits(net[1].runningMean.data())).not.toBe(mean);
    expect(bits(net[1].runningVar.data())).toBe(variance);
    for (const gradReq of ['write', 'add'] as const) {
      net.collectParams().setAttr('gradReq', 'null');
      net.collectParams().setAttr('gradReq', gradReq);
      const before = statisticsOf(net);
      autograd.trainMode(() => net(far));
      const after = statisticsOf(net);
      expect(after[0]).not.toBe(before[0]);
      expect(after[1]).not.toBe(before[1]);
    }
  });

  it('of the mean alone lets the variance go on', () => {
    const net = build();
    net.collectParams(/runningMean/).setAttr('gradReq', 'null');
    const [mean, variance] = statisticsOf(net);
    autograd.trainMode(() => net(far));
    expect(bits(net[1].runningMean.data())).toBe(mean);
    expect(bits(net[1].runningVar.data())).not.toBe(variance);
  });

  it('that a first forward set before it failed is taken back', () => {
    class Fails extends nn.Block {
      readonly norm = new nn.BatchNorm();
      isWell = false;
      override forward(y: Tensor): Tensor {
        if (!this.isWell) this.norm.collectParams().setAttr('gradReq', 'null');
        const z = this.norm(y) as Tensor;
        if (!this.isWell) throw new Error('behind');
        return z;
      }
    }
    const net = new Fails();
    net.initialize();
    expect(() => autograd.trainMode(() => net(x))).toThrow('behind');
    net.isWell = true;
    const { gamma, runningMean } = net.norm;
    expect(gamma!.gradReq).toBe('write');
    expect(String(net.norm)).not.toContain('frozenStats');
    autograd.trainMode(() => net(x));
    expect(runningMean.data().abs().max().item()).toBeGreaterThan(0);
  });

  it('of statistics reads the same whether they are frozen or not, and the layer prints that they are', () => {
    const net = build();
    for (const gradReq of ['write', 'null'] as const) {
      net.collectParams().setAttr('gradReq', gradReq);
      expect([net[1].runningMean.gradReq, net[1].gamma!.gradReq]).toEqual(['null', gradReq]);
      expect(String(net[1]).includes('frozenStats = true')).toBe(gradReq === 'null');
    }
    const other = net.clone();
    expect(nn.blockEquals(net, other)).toBe(true);
    other[1].runningMean.gradReq = 'write';
    expect(nn.blockEquals(net, other)).toBe(false);
  });

  it('of each parameter, kept and set again, lets statistics follow the batches as they did', () => {
    const [net, plain] = [build(), build()];
    const all = [...net.collectParams().values()];
    const kept = all.map(p => p.gradReq);
    for (const p of all) p.gradReq = 'null';
    all.forEach((p, i) => {
      p.gradReq = kept[i]!;
    });
    for (const one of [net, plain]) autograd.trainMode(() => one(far));
    expect(statisticsOf(net)).toEqual(statisticsOf(plain));
    expect(nn.blockEquals(net, plain)).toBe(true);
  });

  it('set before any shape is known holds from the first batch on', () => {
    const net = new nn.Sequential(new nn.Dense(3), new nn.BatchNorm());
    net.collectParams().setAttr('gradReq', 'null');
    net.initialize();
    autograd.record(() => net(far));
    expect(net[1].runningMean.data().toArray()).toEqual([0, 0, 0]);
    expect(net[1].runningVar.data().toArray()).toEqual([1, 1, 1]);
  });

  it('goes on in clones, and loading leaves it', () => {
    const net = build();
    net.collectParams().setAttr('gradReq', 'null');
    const copy = net.clone();
    const before = statisticsOf(copy);
    inFolder(folder => {
      net.saveParameters(`${folder}/n.safetensors`);
      copy.loadParameters(`${folder}/n.safetensors`);
    });
    autograd.trainMode(() => copy(far));
    expect(statisticsOf(copy)).toEqual(before);
  });
});

describe('plans', () => {
  /** Trains a frozen net, one that is not, and one that is frozen and let go in between, all through the same calls. */
  const run = (call: (net: Net) => (input: Tensor) => unknown) => {
    const net = build();
    const step = call(net);
    return [null, 'null', 'write', 'null'].map(gradReq => {
      if (gradReq !== null) net.collectParams(running).setAttr('gradReq', gradReq as 'null');
      step(far);
      step(x);
      return allBits(net);
    });
  };
  const trainerOf = (net: Net) => new Trainer(net.collectParams(), 'sgd', { learningRate: 0.01 });
  const recorded = (net: Net) => {
    const trainer = trainerOf(net);
    return (input: Tensor) => {
      autograd.record(() => net(input).square().mean({ axis: 1 })).backward();
      trainer.step(input.shape[0]);
    };
  };

  it('are made anew when statistics are frozen or let go: recorded, compiled and plain', () => {
    const eager = run(recorded);
    const hybrid = run(net => {
      net.hybridize();
      return recorded(net);
    });
    const compiled = run(net => compileStep(net, (y: Tensor) => y.square().mean({ axis: 1 }), trainerOf(net)));
    expect(hybrid).toEqual(eager);
    expect(compiled).toEqual(eager);
    const forward = (net: Net) => (input: Tensor) => autograd.trainMode(() => net(input));
    const plain = run(net => {
      net.hybridize();
      return forward(net);
    });
    expect(plain).toEqual(run(forward));
    const statistics = eager.map(all => all['1.runningMean']);
    expect(statistics[1]).toBe(statistics[0]);
    expect(statistics[2]).not.toBe(statistics[1]);
    expect(statistics[3]).toBe(statistics[2]);
  });
});

describe('running statistics', () => {
  it('have no gradient whatever their gradReq, and a trainer leaves them alone', () => {
    const net = build();
    net.collectParams().setAttr('gradReq', 'add');
    const trainer = new Trainer(net.collectParams(), 'sgd', { learningRate: 0.1, weightDecay: 0.5 });
    train(net);
    const before = statisticsOf(net);
    trainer.step(6);
    expect(statisticsOf(net)).toEqual(before);
    expect(thrown(() => net[1].runningMean.grad()).message).toMatch(
      /1\.runningMean.* has no gradient, for it is a running statistic/,
    );
  });

  it('follow the batches in a net whose gradReq nobody touched', () => {
    const norm = new nn.BatchNorm();
    norm.initialize();
    autograd.record(() => norm(tensor([[1], [3]])));
    expect(norm.runningMean.data().item()).toBeCloseTo(0.2, 6);
    expect(norm.runningVar.data().item()).toBeCloseTo(0.9 + 0.2, 6);
    expect(new loss.L2()(ones([1, 1]), norm(ones([1, 1]))).shape).toEqual([1]);
  });
});
