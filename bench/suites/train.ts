import { tfjs } from '../contenders/node-peers.js';
import { compiledPytorch, pytorch } from '../contenders/pytorch.js';
import { worker } from '../contenders/workers.js';
import type { MnistSpec } from '../workers/latent-mnist.js';
import type { TrainSpec } from '../workers/nets.js';
import { type Comparison, comparisonSuite } from './comparison.js';
import { EAGER, OF_PEAK } from './names.js';
import { CLASSES, nameOf, nets, trainFlops } from './nets.js';

const optimizers = { sgd: 'SGD', adam: 'Adam' } as const;

export function trainSpec(
  kind: string,
  sizes: readonly number[],
  batch: number,
  optimizer: TrainSpec['optimizer'],
): TrainSpec {
  return { kind: kind as 'train', sizes, batch, optimizer, loss: sizes.at(-1) === CLASSES ? 'softmax' : 'l2' };
}

/** The epoch that loading and shuffling are part of, held against its steps alone. */
function mnist(digits: number): Comparison {
  const spec = (part: MnistSpec['part']): MnistSpec => ({ kind: 'mnist', part, batch: 128, digits });
  return {
    case: 'MNIST 784-256-10, SGD, with loading',
    shape: `${digits} digits, batch 128`,
    unit: 'ms',
    better: 'less',
    figure: seconds => seconds * 1000,
    spec: spec('epoch'),
    tolerance: 0,
    without: [pytorch.name, compiledPytorch.name, tfjs.name],
    baselines: { 'its steps alone': spec('steps') },
    roofs: [{ name: OF_PEAK, roof: { kind: 'fma', work: trainFlops([784, 256, 10], digits) } }],
  };
}

export const train = comparisonSuite({
  name: 'train',
  about:
    'training steps of dense nets, eager and compiled, from TypeScript: forward, loss, backward and update; cross-entropy where ten classes come out, else mean squares',
  peers: [pytorch, compiledPytorch, tfjs],
  // A step is compiled before it answers.
  timeout: 300_000,
  ours: threads => worker('latent', [String(threads)]),
  cases({ quick, threads }) {
    const steps = (['sgd', 'adam'] as const).flatMap(optimizer =>
      nets.flatMap(sizes =>
        (quick ? [32] : [32, 256, 1024]).flatMap((batch): Comparison[] => {
          const spec = trainSpec('train', sizes, batch, optimizer);
          const eager: Comparison = {
            case: `${nameOf(sizes)}, ${optimizers[optimizer]}`,
            shape: `batch ${batch}`,
            unit: 'µs',
            better: 'less',
            figure: seconds => seconds * 1e6,
            spec,
            tolerance: 1e-3,
            // Several times slower than all others: one row of each net shows that as well as six do.
            without: threads > 1 || batch > 32 ? [tfjs.name] : [],
            roofs: [{ name: OF_PEAK, roof: { kind: 'fma', work: trainFlops(sizes, batch) } }],
          };
          const compiled: Comparison = {
            ...eager,
            case: `${eager.case}, compiled`,
            spec: { ...spec, planned: true },
            without: [tfjs.name],
            baselines: { [EAGER]: spec },
          };
          return [eager, compiled];
        }),
      ),
    );
    return [...steps, mnist(quick ? 12_800 : 60_000)];
  },
});
