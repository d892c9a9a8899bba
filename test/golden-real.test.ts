import { autograd, compileStep, loss, type nn, type Tensor, Trainer } from '../lib/index.js';
import { full } from './support/random.js';
import { faults, type RealCase, readCases } from './support/real-cases.js';
import { type Given, given, type Layer } from './support/real-layers.js';

const cases = readCases();
const entropy = new loss.SoftmaxCrossEntropy();

type Results = Readonly<Record<string, Tensor>>;

function gradients(layer: nn.Block): Results {
  const parameters = [...layer.collectParams()];
  return Object.fromEntries(parameters.map(([path, p]) => [path, p.gradReq === 'null' ? p.data() : p.grad()]));
}

/** The result or the losses, the gradients of the input and of the parameters, and running statistics. */
function differentiated(layer: Layer, c: RealCase, { x: shared, labels, cotangent }: Given): Results {
  const x = shared.detach() as Tensor;
  const isFloat = x.dtype === 'float32';
  if (isFloat) x.attachGrad();
  const y = autograd.record(() => {
    if (labels === null) return layer(x);
    return c.kind === 'softmaxCrossEntropy' ? layer(x, labels) : entropy(layer(x), labels);
  });
  y.backward(cotangent ?? undefined);
  return { y: y.detach() as Tensor, ...(isFloat ? { x: x.grad as Tensor } : {}), ...gradients(layer) };
}

function bytes(t: Tensor): Buffer {
  const values = t.toTypedArray();
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength);
}

/** The names under which two sets of results differ in a bit. */
function differing(a: Results, b: Results): string[] {
  expect(Object.keys(a).sort()).toEqual(Object.keys(b).sort());
  return Object.keys(a).filter(name => !bytes(a[name]!).equals(bytes(b[name]!)));
}

/** One step of SGD with momentum as a loop takes it, or as one compiled call: losses, gradients, weights after the step. */
function trained(layer: Layer, { x, labels, cotangent }: Given, isCompiled: boolean): Results {
  const of = (y: Tensor, by: Tensor): Tensor => (labels === null ? y.mul(by).sum() : entropy(y, by)) as Tensor;
  const by = (labels ?? cotangent) as Tensor;
  const trainer = new Trainer(layer.collectParams(), 'sgd', { learningRate: 0.5, momentum: 0.9 });
  let losses: Tensor;
  if (isCompiled) {
    losses = compileStep(layer, of as never, trainer)(x, by);
  } else {
    losses = autograd.record(() => of(layer(x), by));
    losses.backward();
    trainer.step(x.shape[0]);
  }
  const weights = [...layer.collectParams()].map(([path, p]) => [`${path} behind the step`, p.data()] as const);
  return { losses: losses.detach() as Tensor, ...gradients(layer), ...Object.fromEntries(weights) };
}

describe.each([...new Set(cases.map(c => c.kind))])('%s', kind => {
  const own = cases.filter(c => c.kind === kind);
  test('has a case that always runs', () => {
    expect(own.filter(c => c.quick)).not.toEqual([]);
  });

  test.each(own.filter(c => full || c.quick).map(c => [c.name, c] as const))('%s', (_, c) => {
    const inputs = given(c);
    const eager = differentiated(inputs.make(), c, inputs);
    expect(Object.keys(eager).sort()).toEqual(Object.keys(c.want).sort());
    expect(Object.entries(c.want).flatMap(([name, want]) => faults(name, eager[name]!, want))).toEqual([]);

    const planned = inputs.make();
    planned.hybridize(true, { winograd: 0 });
    // A loss predicts nothing, and a BatchNorm that predicts becomes part of what is before it, which rounds otherwise.
    if (kind !== 'softmaxCrossEntropy' && kind !== 'residual') {
      expect(differing({ y: planned(inputs.x) }, { y: inputs.make()(inputs.x) })).toEqual([]);
      const inTiles = inputs.make();
      inTiles.hybridize();
      // The reference is of training: of losses where there are labels, of statistics of the batch.
      if (inputs.labels === null && kind !== 'batchNorm') expect(faults('y', inTiles(inputs.x), c.want.y!)).toEqual([]);
    }
    expect(differing(differentiated(planned, c, inputs), eager)).toEqual([]);

    if (Object.keys(c.draws).length === 1) return;
    expect(differing(trained(inputs.make(), inputs, true), trained(inputs.make(), inputs, false))).toEqual([]);
  });
});

describe('the comparison itself', () => {
  const c = cases.find(({ name }) => name === 'EfficientNet squeeze') as RealCase;
  const compared = (of: RealCase): string[] => {
    const inputs = given(of);
    const got = differentiated(inputs.make(), of, inputs);
    return Object.entries(of.want).flatMap(([name, want]) => faults(name, got[name]!, want));
  };

  test.each(['y', 'x', 'weight', 'bias'])('%s that is off by little fails at every place', name => {
    const want = c.want[name]!;
    const by = 2.5 * Math.max(2 * want.error, 1.5e-6) * want.max;
    for (const set of ['samples', 'dots'] as const) {
      want[set].forEach((_, at) => {
        const spoilt = { ...want, [set]: want[set].map((v, k) => (k === at ? v + by : v)) };
        const found = compared({ ...c, want: { ...c.want, [name]: spoilt } });
        expect(found).toEqual([expect.stringMatching(new RegExp(`^(element|projection) \\d+ of ${name} is`))]);
      });
    }
  });

  test('a stream, a scale and a shape that are others fail', () => {
    const failing = (of: RealCase) =>
      new Set(compared(of).map(text => text.replace(/^(element|projection) \d+ of /, '').split(' ')[0]));
    expect([...failing({ ...c, seed: c.seed + 1 })]).toEqual(['y', 'x', 'weight', 'bias']);
    const draws = { ...c.draws, weight: { scale: 0.06 } };
    expect([...failing({ ...c, draws })]).toEqual(['y', 'x']);
    const want = { ...c.want, x: { ...c.want.x!, shape: [8, 1152] } };
    expect([...failing({ ...c, want })]).toEqual(['x']);
  });

  test('what is no number fails', () => {
    const none = { ...c.want.y!, max: Number.NaN };
    expect(compared({ ...c, want: { y: none } })).toHaveLength(9);
  });
});
