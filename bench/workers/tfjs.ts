/** TensorFlow.js on its WebAssembly backend. */
import {
  COMPARED_STEPS,
  classesOf,
  inputOf,
  LEARNING_RATES,
  layersOf,
  type NetSpec,
  type TrainSpec,
  targetsOf,
} from './nets.js';
import { requirePeer, versionOf } from './peer-package.js';
import { calls, type Job, serve } from './serve.js';

interface TfTensor {
  dataSync(): Float32Array;
  dispose(): void;
}
interface Tf {
  setBackend(name: string): Promise<boolean>;
  ready(): Promise<void>;
  disposeVariables(): void;
  tensor(values: Float32Array | Int32Array, shape: readonly number[], dtype?: string): TfTensor;
  variable(initial: TfTensor): TfTensor;
  tidy<R>(body: () => R): R;
  oneHot(indices: TfTensor, depth: number): TfTensor;
  readonly fused: {
    matMul(options: { a: TfTensor; b: TfTensor; bias: TfTensor; activation: 'relu' | 'linear' }): TfTensor;
  };
  readonly losses: {
    softmaxCrossEntropy(labels: TfTensor, logits: TfTensor): TfTensor;
    meanSquaredError(labels: TfTensor, predictions: TfTensor): TfTensor;
  };
  readonly train: Record<
    'sgd' | 'adam',
    (rate: number) => { minimize(body: () => TfTensor, returnCost: boolean): TfTensor; dispose(): void }
  >;
}

const tf = requirePeer('@tensorflow/tfjs') as Tf;
requirePeer('@tensorflow/tfjs-backend-wasm');

/** Its layers keep weights as [inputs, outputs], and its product is fastest (and right) on these alone. */
function transposed(weight: Float32Array, outputs: number, inputs: number): Float32Array {
  return weight.map((_, i) => weight[(i % outputs) * inputs + Math.floor(i / outputs)] as number);
}

function netOf(spec: NetSpec): (x: TfTensor) => TfTensor {
  const layers = layersOf(spec).map(({ weight, bias, inputs, outputs }) => ({
    w: tf.variable(tf.tensor(transposed(weight, outputs, inputs), [inputs, outputs])),
    b: tf.variable(tf.tensor(bias, [outputs])),
  }));
  return x =>
    layers.reduce(
      (a, { w, b }, i) => tf.fused.matMul({ a, b: w, bias: b, activation: i < layers.length - 1 ? 'relu' : 'linear' }),
      x,
    );
}

function forwardJob(spec: NetSpec): Job {
  const net = netOf(spec);
  const x = tf.tensor(inputOf(spec), [spec.batch, spec.sizes[0] as number]);
  return {
    ...calls(
      () => tf.tidy(() => net(x)).dispose(),
      () => tf.tidy(() => net(x).dataSync()),
    ),
    close: () => tf.disposeVariables(),
  };
}

function trainJob(spec: TrainSpec): Job {
  const net = netOf(spec);
  const outputs = spec.sizes.at(-1) as number;
  const x = tf.tensor(inputOf(spec), [spec.batch, spec.sizes[0] as number]);
  const softmax = spec.loss === 'softmax';
  const y = softmax
    ? tf.oneHot(tf.tensor(classesOf(spec), [spec.batch], 'int32'), outputs)
    : tf.tensor(targetsOf(spec), [spec.batch, outputs]);
  // Its mean of squares isn't halved, as ours is: half the rate makes the same step.
  const rate = LEARNING_RATES[spec.optimizer] * (softmax || spec.optimizer === 'adam' ? 1 : 0.5);
  const optimizer = tf.train[spec.optimizer](rate);
  const loss = (): TfTensor =>
    softmax ? tf.losses.softmaxCrossEntropy(y, net(x)) : tf.losses.meanSquaredError(y, net(x));
  const step = (): number => {
    const cost = optimizer.minimize(loss, true);
    const [value] = cost.dataSync();
    cost.dispose();
    return (value as number) * (softmax ? 1 : 0.5);
  };
  return {
    ...calls(step, () => Array.from({ length: COMPARED_STEPS }, step)),
    close() {
      optimizer.dispose();
      tf.disposeVariables();
    },
  };
}

async function main(): Promise<void> {
  await tf.setBackend('wasm');
  await tf.ready();
  await serve(versionOf('@tensorflow/tfjs'), spec =>
    spec.kind === 'train' ? trainJob(spec as TrainSpec) : forwardJob(spec as NetSpec),
  );
}

void main();
