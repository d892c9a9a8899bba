import { inspect } from 'node:util';
import {
  ArgumentError,
  AutogradError,
  autograd,
  compileStep,
  DeferredInitializationError,
  nn,
  OutOfMemoryError,
  optim,
  random,
  type Tensor,
  Trainer,
  tensor,
} from '../../lib/index.js';
import { session } from '../../lib/native/register.js';
import { allBits, bits, thrown, values, warningsOf } from '../support/nn-helpers.js';

beforeEach(() => random.seed(1));

const n = 11;
function parameter(dtype: 'float32' | 'float64', start: Float32Array): nn.Parameter {
  const p = new nn.Parameter({ shape: [n], dtype });
  p.setData(tensor(start).cast(dtype));
  return p;
}

/** Leaves g as the gradient. */
function give(p: nn.Parameter, g: Float32Array): void {
  autograd.record(() => p.data().mul(tensor(g).cast(p.dtype)).sum()).backward();
}

test.each(['adam', 'adamw', 'adamax', 'lamb', 'adagrad', 'sgd'] as const)(
  '%s steps parameters that have done more and fewer steps each as if it were alone',
  rule => {
    const start = [values(n, 1), values(n, 2), values(n, 3), values(n, 4)];
    const train = (together: boolean) => {
      const all = start.map(v => parameter('float32', Float32Array.from(v)));
      const trainers = together ? [new Trainer(all, rule)] : all.map(p => new Trainer([p], rule));
      for (let i = 0; i < 12; i++) {
        // The first and the last wait for three steps, the second for every second one, the third for none.
        const still = [i < 3, i % 2 === 0, false, i < 3];
        all.forEach((p, k) => {
          p.lrMult = still[k] === true ? 0 : 1;
          give(p, Float32Array.from(values(n, 10 * i + k)));
        });
        for (const trainer of trainers) trainer.step();
      }
      return all.map(p => bits(p.data()));
    };
    expect(train(true)).toEqual(train(false));
  },
);

describe('a trainer', () => {
  const layers = () => new nn.Sequential(new nn.Dense(3, { inUnits: 2 }), new nn.Dense(2, { inUnits: 3 }));
  const x = tensor(values(8), { shape: [4, 2] });
  const build = () => {
    const net = layers();
    net.initialize({ init: 'xavier' });
    return net;
  };
  const backward = (net: nn.Sequential | ReturnType<typeof layers>) =>
    autograd.record(() => (net as nn.Sequential)(x).square().sum()).backward();

  it("leaves parameters with lrMult 0 and gradReq 'null' alone, without a warning", () => {
    const net = build();
    net[0].weight.lrMult = 0;
    net[0].bias!.gradReq = 'null';
    const trainer = new Trainer(net.collectParams(), 'adam', { learningRate: 0.1, weightDecay: 0.5 });
    const before = [...net.collectParams().values()].map(p => bits(p.data()));
    const warnings = warningsOf(() => {
      for (let i = 0; i < 2; i++) {
        backward(net);
        trainer.step(4);
      }
    });
    const after = [...net.collectParams().values()].map(p => bits(p.data()));
    expect(after.map((b, i) => b === before[i])).toEqual([true, true, false, false]);
    expect(warnings).toEqual([]);
  });

  it('may be made before any shape is known', () => {
    const net = new nn.Sequential(new nn.Dense(3), new nn.Dense(2));
    const trainer = new Trainer(net.collectParams(), 'sgd', { learningRate: 0.1 });
    net.initialize({ init: 'xavier' });
    backward(net as nn.Sequential);
    const before = bits(net[0].weight.data());
    trainer.step(4);
    expect(bits(net[0].weight.data())).not.toBe(before);
  });

  it('skips what no forward reached, and warns once with its path', () => {
    class Partly extends nn.Block {
      used = new nn.Dense(2);
      unused = new nn.Dense(2);
      forward(t: Tensor): Tensor {
        return this.used(t);
      }
    }
    const net = new Partly();
    net.initialize();
    const trainer = new Trainer(net.collectParams(/^used|weight$/), 'sgd', { learningRate: 0.1 });
    const strict = new Trainer(net.collectParams(/^used|weight$/), 'sgd', { learningRate: 0.1, strict: true });
    const warnings = warningsOf(() => {
      for (let i = 0; i < 3; i++) {
        autograd.record(() => net(x).sum()).backward();
        trainer.step();
      }
    });
    expect(warnings.map(w => w.code)).toEqual(['LATENT_PARAMETER_UNREACHED']);
    expect(warnings[0]!.text).toContain('unused.weight');
    autograd.record(() => net(x).sum()).backward();
    const before = bits(net.used.weight.data());
    const error = thrown(() => strict.step());
    expect(error).toBeInstanceOf(DeferredInitializationError);
    expect(error.message).toContain('unused.weight');
    expect(bits(net.used.weight.data())).toBe(before);
  });

  it('names a parameter once, shortens a long list, and says when initialize() was never called', () => {
    const net = new nn.Sequential(...Array.from({ length: 5 }, () => new nn.Dense(2, { inUnits: 2 })));
    const trainer = new Trainer(net.collectParams(), 'sgd');
    const warnings = warningsOf(() => {
      trainer.step();
      trainer.step();
    });
    expect(warnings.map(w => w.text)).toEqual([
      expect.stringMatching(
        /^0\.weight \(dense\d+_weight\), .* and 6 more have no values, for initialize\(\) was never called on their block; trainer\.step leaves them out\. Call net\.initialize\(\) before the first batch$/,
      ),
    ]);
  });

  it('takes a list, and says of one parameter or tensor what it is', () => {
    const p = parameter('float32', new Float32Array(n));
    expect(thrown(() => new Trainer(p as never, 'sgd')).message).toBe(
      'Trainer takes a list of parameters, but got Parameter parameter (shape=(11,), dtype=float32); write [parameter]',
    );
    expect(thrown(() => new Trainer(p.data() as never, 'sgd')).message).toMatch(
      /^Trainer takes a net's parameters, but got tensor\(\[0/,
    );
  });

  it('prints its optimizer, with the numbers it was made with', () => {
    const trainer = new Trainer(build().collectParams(), 'sgd', { learningRate: 0.5, momentum: 0.9 });
    expect(inspect(trainer)).toBe(
      'Trainer(SGD(learningRate=0.5, momentum=0.9, nesterov=false, weightDecay=0), 4 parameters)',
    );
    expect(`${new optim.AdamW()}`).toBe(
      'AdamW(learningRate=0.001, beta1=0.9, beta2=0.999, epsilon=1e-8, weightDecay=0.01)',
    );
  });

  it('leaves out a gradient that no backward has written since the last step, and warns once', () => {
    const net = build();
    const trainer = new Trainer(net.collectParams(), 'sgd', { learningRate: 0.1 });
    backward(net);
    trainer.step();
    const before = bits(net[0].weight.data());
    const warnings = warningsOf(() => {
      trainer.step();
      trainer.step();
    });
    expect(bits(net[0].weight.data())).toBe(before);
    expect(warnings.map(w => w.code)).toEqual(['LATENT_STALE_GRADIENT']);
    for (const path of ['0.weight', '0.bias', '1.weight', '1.bias']) expect(warnings[0]!.text).toContain(path);
    backward(net);
    trainer.step();
    expect(bits(net[0].weight.data())).not.toBe(before);
  });

  it("with gradReq 'add' a step takes the sum of the batches", () => {
    const [a, b] = [parameter('float32', values(n)), parameter('float32', values(n))];
    a.gradReq = 'add';
    const [g, h] = [values(n, 5), values(n, 6)];
    give(a, g);
    give(a, h);
    give(
      b,
      g.map((v, i) => Math.fround(v + h[i]!)),
    );
    for (const p of [a, b]) new Trainer([p], 'sgd', { learningRate: 0.5 }).step(2);
    expect(bits(a.data())).toBe(bits(b.data()));
    const trainer = new Trainer([a], 'sgd');
    trainer.zeroGrad();
    expect(a.grad().abs().sum().item()).toBe(0);
  });

  it('writes parameters in place, and updates all of them or none', () => {
    const net = build();
    const trainer = new Trainer(net.collectParams(), 'adam', { learningRate: 0.1 });
    backward(net);
    const lasting = net[0].weight.data();
    const before = [...net.collectParams().values()].map(p => bits(p.data()));
    let refused = 0;
    for (let k = 1; ; k++) {
      session.refuseAllocation(k, 1);
      try {
        trainer.step(4);
        break;
      } catch (error) {
        expect(error).toBeInstanceOf(OutOfMemoryError);
        refused++;
      } finally {
        session.refuseAllocation(0, 0);
      }
      expect([...net.collectParams().values()].map(p => bits(p.data()))).toEqual(before);
    }
    expect(refused).toBeGreaterThan(0);
    expect(net[0].weight.data()).toBe(lasting);
    expect(bits(lasting)).not.toBe(before[0]);
  });

  it('changes weights in place: what was recorded with the old ones is refused', () => {
    const net = build();
    const trainer = new Trainer(net.collectParams(), 'sgd', { learningRate: 0.1 });
    const loss = autograd.record(() => net(x).square().sum());
    loss.backward(null, { retainGraph: true });
    trainer.step(1);
    expect(thrown(() => loss.backward())).toBeInstanceOf(AutogradError);
  });

  it('leaves parameters out whose gradients were set to zeros since', () => {
    const net = build();
    const trainer = new Trainer(net.collectParams(), 'sgd', { learningRate: 0.1, weightDecay: 0.5 });
    backward(net);
    trainer.zeroGrad();
    const before = bits(net[0].weight.data());
    expect(warningsOf(() => trainer.step(1)).map(w => w.code)).toEqual(['LATENT_STALE_GRADIENT']);
    expect(bits(net[0].weight.data())).toBe(before);
  });

  it('begins anew with a parameter of another dtype', () => {
    const net = build();
    const trainer = new Trainer(net.collectParams(), 'adam', { learningRate: 0.1 });
    backward(net);
    trainer.step(1);
    net.cast('float64');
    autograd
      .record(() =>
        (net as nn.Sequential)(x.cast('float64') as Tensor)
          .square()
          .sum(),
      )
      .backward();
    trainer.step(1);
    expect(trainer.optimizer.stateOf(net[0].weight)).toMatchObject({
      steps: 1,
      kept: { first: { dtype: 'float64' }, second: { dtype: 'float64' } },
    });
  });

  it('clipGlobalNorm leaves gradients that are not finite', () => {
    const p = parameter('float32', values(n));
    give(
      p,
      Float32Array.from({ length: n }, (_, i) => (i === 0 ? Number.POSITIVE_INFINITY : 1)),
    );
    const before = bits(p.grad());
    expect(optim.clipGlobalNorm([p], 1)).toBe(Number.POSITIVE_INFINITY);
    expect(bits(p.grad())).toBe(before);
  });

  it.each([
    [
      'adamw',
      { clipnorm: 1 },
      /^Trainer with 'adamw' has no option 'clipnorm'; did you mean 'clipNorm'\? It takes .*beta1.*strict, clipNorm$/,
    ],
    ['sgd', { stric: true }, /did you mean 'strict'\? It takes .*momentum.*strict, clipNorm$/],
    ['sgd', { beta1: 0.5 }, /^Trainer with 'sgd' has no option 'beta1'; .*strict, clipNorm$/],
    [
      new optim.Adam(),
      { clipnorm: 1 },
      /^Trainer with Adam made already has no option 'clipnorm'; did you mean 'clipNorm'\? It takes strict, clipNorm$/,
    ],
    [
      new optim.Adam(),
      { learningRate: 1 },
      /'learningRate' belongs to the optimizer's name; this Adam .* give it to new Adam\(\)$/,
    ],
  ])('says of a misspelt option all that it takes: %s %p', (optimizer, options, message) => {
    const error = thrown(() => new Trainer(build().collectParams(), optimizer as 'sgd', options as never));
    expect(error).toBeInstanceOf(ArgumentError);
    expect(error.message).toMatch(message);
  });

  describe('without a batch size', () => {
    const per = (net: nn.Sequential) => autograd.record(() => net(x).square().mean({ axis: 1 }));

    it('refuses the gradients of a loss for each sample, and changes nothing', () => {
      const net = build() as nn.Sequential;
      const trainer = new Trainer(net.collectParams(), 'sgd', { learningRate: 0.1 });
      per(net).backward();
      const before = allBits(net);
      const error = thrown(() => trainer.step());
      expect(error).toBeInstanceOf(ArgumentError);
      expect(error.message).toMatch(
        /loss of 4 elements.*write trainer\.step\(4\) for their mean, or trainer\.step\(1\)/,
      );
      expect(allBits(net)).toEqual(before);
      trainer.step(4);
      expect(allBits(net)).not.toEqual(before);
    });

    it('takes a mean, a sum, a batch of one, and head gradients', () => {
      const net = build() as nn.Sequential;
      const trainer = new Trainer(net.collectParams(), 'sgd', { learningRate: 0.1 });
      const steps = [
        () => autograd.record(() => net(x).square().mean()).backward(),
        () => autograd.record(() => net(x).square().sum()).backward(),
        () =>
          autograd
            .record(() =>
              net(x.slice([0, 1]))
                .square()
                .mean({ axis: 1 }),
            )
            .backward(),
        () => per(net).backward(tensor([0.25, 0.25, 0.25, 0.25])),
      ];
      for (const backward of steps) {
        backward();
        expect(() => trainer.step()).not.toThrow();
      }
      per(net).backward();
      expect(() => trainer.step(1)).not.toThrow();
    });

    it("remembers what gradReq 'add' has gathered, until the step", () => {
      const net = build() as nn.Sequential;
      net.collectParams().setAttr('gradReq', 'add');
      const trainer = new Trainer(net.collectParams(), 'sgd', { learningRate: 0.1 });
      per(net).backward();
      autograd.record(() => net(x).mean()).backward();
      expect(() => trainer.step()).toThrow(/loss of 4 elements/);
      trainer.step(8);
      trainer.zeroGrad();
      autograd.record(() => net(x).mean()).backward();
      expect(() => trainer.step()).not.toThrow();
    });

    it('holds for the backward of a compiled step', () => {
      const net = build() as nn.Sequential;
      const trainer = new Trainer(net.collectParams(), 'sgd', { learningRate: 0.1 });
      const step = compileStep(net, (y: Tensor) => y.square().mean({ axis: 1 }), trainer);
      step.backward(x);
      expect(() => trainer.step()).toThrow(/loss of 4 elements/);
    });
  });

  it('refuses what cannot be meant', () => {
    const net = build();
    const params = net.collectParams();
    expect(() => new Trainer(params, 'adamm' as never)).toThrow(/did you mean 'adam'/);
    expect(() => new Trainer(params, 'adam', { learningrate: 1 } as never)).toThrow(/did you mean 'learningRate'/);
    expect(() => new Trainer(params, 'sgd', { learningRate: -1 })).toThrow(ArgumentError);
    expect(() => new Trainer(params, 'adam', { beta1: 1 })).toThrow(ArgumentError);
    expect(() => new optim.SGD({ nesterov: true })).toThrow(/momentum/);
    expect(() => new Trainer(params, new optim.SGD(), { learningRate: 1 } as never)).toThrow(ArgumentError);
    expect(() => new Trainer(3 as never, 'sgd')).toThrow(ArgumentError);
    expect(() => new Trainer([3] as never, 'sgd')).toThrow(ArgumentError);
    const trainer = new Trainer(params, 'sgd', { learningRate: 0.1 });
    backward(net);
    const before = bits(net[0].weight.data());
    for (const size of [0, -1, Number.NaN, '4']) expect(() => trainer.step(size as number)).toThrow(ArgumentError);
    expect(() => autograd.record(() => trainer.step())).toThrow(AutogradError);
    expect(bits(net[0].weight.data())).toBe(before);
    expect(() => {
      trainer.learningRate = -0.5;
    }).toThrow(ArgumentError);
  });
});
