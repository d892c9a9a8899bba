import { autograd, data, loss, nn, ones, random, type Tensor, Trainer, tensor, zeros } from '../../lib/index.js';
import { inFolder, values, warningsOf } from '../support/nn-helpers.js';

beforeEach(() => random.seed(1));

const x = tensor(values(24), { shape: [8, 3] });
const z = tensor(values(16, 2), { shape: [8, 2] });
const bce = new loss.SigmoidBinaryCrossEntropy();
const [real, fake] = [ones([8, 1]), zeros([8, 1])];
const record = autograd.record;

const made = <B extends nn.Block>(net: B): B => {
  net.initialize();
  return net;
};
const adam = (net: nn.Block) => new Trainer(net.collectParams(), 'adam');
const rounds = (body: (i: number) => void) => () => {
  for (let i = 0; i < 4; i++) body(i);
};

const loops: Readonly<Record<string, () => () => void>> = {
  'a discriminator and a generator in turn': () => {
    const [G, D] = [made(new nn.Dense(3)), made(new nn.Dense(1))];
    const [g, d] = [adam(G), adam(D)];
    return rounds(() => {
      record(() => bce(D(x), real).add(bce(D(G(z).detach()), fake))).backward();
      d.step(8);
      record(() => bce(D(G(z)), real)).backward();
      g.step(8);
    });
  },
  'the same without detach, and with the generator first': () => {
    const [G, D] = [made(new nn.Dense(3)), made(new nn.Dense(1))];
    const [g, d] = [adam(G), adam(D)];
    return rounds(() => {
      record(() => bce(D(G(z)), real)).backward();
      g.step(8);
      record(() => bce(D(x), real).add(bce(D(G(z)), fake))).backward();
      d.step(8);
    });
  },
  'several steps of a critic to one of the generator': () => {
    const [G, D] = [made(new nn.Dense(3)), made(new nn.Dense(1))];
    const [g, d] = [adam(G), adam(D)];
    return rounds(i => {
      record(() => D(G(z)).sub(D(x))).backward();
      d.step(8);
      if (i % 3 !== 2) return;
      record(() => D(G(z)).neg()).backward();
      g.step(8);
    });
  },
  'a discriminator whose gradients add up over real and fake': () => {
    const [G, D] = [made(new nn.Dense(3)), made(new nn.Dense(1))];
    D.collectParams().setAttr('gradReq', 'add');
    const [g, d] = [adam(G), adam(D)];
    return rounds(() => {
      D.zeroGrad();
      record(() => bce(D(x), real)).backward();
      record(() => bce(D(G(z).detach()), fake)).backward();
      d.step(8);
      record(() => bce(D(G(z)), real)).backward();
      g.step(8);
    });
  },
  'two trainers of one net': () => {
    const net = made(new nn.Sequential(new nn.Dense(4), new nn.BatchNorm(), new nn.Dense(1)));
    const [slow, fast] = [
      new Trainer(net.collectParams(/^[01]\./), 'sgd', { learningRate: 0.01 }),
      new Trainer(net.collectParams(/^2\./), 'adam'),
    ];
    return rounds(() => {
      record(() => net(x).square().mean()).backward();
      slow.step();
      fast.step();
    });
  },
  'gradients that add up over batches': () => {
    const net = made(new nn.Sequential(new nn.Dense(4), new nn.BatchNorm(), new nn.Dense(1)));
    net.collectParams().setAttr('gradReq', 'add');
    const trainer = adam(net);
    return rounds(() => {
      for (let k = 0; k < 3; k++) record(() => net(x).square().sum()).backward();
      trainer.step(24);
      trainer.zeroGrad();
    });
  },
  "running statistics whose gradReq is set with the others'": () => {
    const net = made(new nn.Sequential(new nn.Dense(4), new nn.BatchNorm(), new nn.Dense(1)));
    net.collectParams().setAttr('gradReq', 'write');
    const trainer = adam(net);
    return rounds(() => {
      record(() => net(x).sum()).backward();
      trainer.step(8);
    });
  },
  'a part that was frozen, let go later': () => {
    const net = made(new nn.Sequential(new nn.Dense(4), new nn.BatchNorm(), new nn.Dense(1)));
    const trainer = adam(net);
    net.collectParams(/^[01]\./).setAttr('gradReq', 'null');
    return rounds(i => {
      if (i === 2) net.collectParams().setAttr('gradReq', 'write');
      record(() => net(x).square().sum()).backward();
      trainer.step(8);
    });
  },
  'a part that is frozen by lrMult, and never reached': () => {
    class Net extends nn.Block {
      used = new nn.Dense(1);
      unused = new nn.Dense(1);
      forward(t: Tensor): Tensor {
        return this.used(t);
      }
    }
    const net = made(new Net());
    net.collectParams(/^unused/).setAttr('lrMult', 0);
    const trainer = adam(net);
    return rounds(() => {
      record(() => net(x).square().sum()).backward();
      trainer.step(8);
    });
  },
  'fine-tuning: layers that were loaded, and a new one after them': () => {
    const before = made(new nn.Sequential(new nn.Dense(4, { inUnits: 3 }), new nn.BatchNorm({ inChannels: 4 })));
    const features = new nn.Sequential(new nn.Dense(4), new nn.BatchNorm());
    inFolder(folder => {
      before.saveParameters(`${folder}/f.safetensors`);
      features.loadParameters(`${folder}/f.safetensors`);
    });
    const net = new nn.Sequential(features, new nn.Dense(1));
    return () => {
      net.initialize();
      features.collectParams().setAttr('gradReq', 'null');
      const trainer = adam(net);
      rounds(() => {
        record(() => net(x).square().sum()).backward();
        trainer.step(8);
      })();
    };
  },
  'a step by hand that reads the gradients': () => {
    const net = made(new nn.Dense(1));
    return rounds(() => {
      record(() => net(x).square().sum()).backward();
      for (const p of net.collectParams().values()) p.setData(p.data().sub(p.grad().mul(0.01)) as Tensor);
    });
  },
  'an attack on the input, whose gradient alone is read': () => {
    const net = made(new nn.Dense(1));
    const trainer = adam(net);
    const image = x.clone().attachGrad() as Tensor;
    return rounds(() => {
      record(() => bce(net(image), real)).backward();
      const worse = image.add((image.grad as Tensor).sign().mul(0.1)) as Tensor;
      record(() => bce(net(worse), real)).backward();
      trainer.step(8);
    });
  },
};

describe('correct loops warn of nothing', () => {
  it.each(Object.keys(loops))('%s', name => {
    expect(warningsOf(loops[name]!())).toEqual([]);
  });

  it('nor does an epoch of a loader', async () => {
    const net = made(new nn.Dense(1));
    const trainer = adam(net);
    const loader = new data.DataLoader(new data.ArrayDataset(x, real), { batchSize: 3 });
    const batches: [Tensor, Tensor][] = [];
    for await (const batch of loader) batches.push(batch as [Tensor, Tensor]);
    const epoch = () => {
      for (const [a, b] of batches) {
        record(() => bce(net(a), b)).backward();
        trainer.step(a.shape[0]);
      }
    };
    expect(warningsOf(epoch)).toEqual([]);
  });
});

describe('wrong loops are told what they lose, by name, and what to write', () => {
  const build = () => made(new nn.Sequential(new nn.Dense(2, { inUnits: 3 }), new nn.Dense(1, { inUnits: 2 })));

  it('two backwards to one step', () => {
    const net = build();
    const trainer = adam(net);
    const loop = rounds(() => {
      record(() => bce(net(x), real)).backward();
      record(() => bce(net(x), fake)).backward();
      trainer.step(8);
    });
    const warnings = warningsOf(loop);
    expect(warnings.map(w => w.code)).toEqual(['LATENT_GRADIENT_OVERWRITTEN']);
    expect(warnings[0]!.text).toMatch(
      /^backward overwrote the gradient of parameter 1\.weight, dense\d+_weight.*0\.bias.*, and nothing .*; to add gradients up, call net\.collectParams\(\)\.setAttr\('gradReq', 'add'\) before/,
    );
  });

  it('of a clone the parameters go by their names', () => {
    const net = build().clone();
    const loop = rounds(() => {
      record(() => bce(net(x), real)).backward();
      record(() => bce(net(x), fake)).backward();
    });
    const [warning] = warningsOf(loop);
    expect(warning!.text).toMatch(
      /^backward overwrote the gradient of parameter 1\.weight, dense\d+_weight; parameter /,
    );
  });

  it('each net is told of once, and of several parameters the first', () => {
    const nets = [
      made(new nn.Sequential(new nn.BatchNorm())),
      new nn.Sequential(...[0, 1, 2].map(() => new nn.Dense(3, { inUnits: 3 }))),
    ];
    nets[1]!.initialize();
    const warnings = warningsOf(rounds(i => void record(() => (nets[i % 2] as nn.Sequential)(x).sum()).backward()));
    expect(warnings).toHaveLength(2);
    expect(warnings[1]!.text).toMatch(/ and 2 more, and nothing/);
  });

  it('two steps to one backward', () => {
    const net = build();
    const trainer = adam(net);
    record(() => bce(net(x), real)).backward();
    trainer.step(8);
    const [warning] = warningsOf(() => trainer.step(8));
    expect(warning).toMatchObject({ code: 'LATENT_STALE_GRADIENT' });
    expect(warning!.text).toMatch(/^0\.weight .*1\.bias .*Call loss\.backward\(\) before each trainer\.step\(\)/);
  });

  it('a layer that no forward uses', () => {
    const net = build();
    const extra = made(new nn.Dense(1));
    const trainer = new Trainer([...net.collectParams().values(), extra.weight], 'sgd');
    record(() => bce(net(x), real)).backward();
    const [warning] = warningsOf(() => trainer.step(8));
    expect(warning).toMatchObject({ code: 'LATENT_PARAMETER_UNREACHED' });
    expect(warning!.text).toMatch(/^weight .* no forward has reached .*collectParams/);
  });
});
