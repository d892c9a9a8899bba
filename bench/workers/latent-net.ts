import { autograd, compileStep, loss, nn, type Tensor, Trainer, tensor } from 'latent';
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
import { calls, type Job } from './serve.js';

/** A net with the values that all contenders start from. */
export function netOf(spec: NetSpec): nn.Sequential {
  const net: nn.Sequential = new nn.Sequential();
  const layers = layersOf(spec);
  for (const [i, { outputs, inputs, weight, bias }] of layers.entries()) {
    const layer = new nn.Dense(outputs, i < layers.length - 1 ? { activation: 'relu' } : {});
    layer.weight.setData(tensor(weight).reshape([outputs, inputs]));
    layer.bias?.setData(tensor(bias));
    net.add(layer);
  }
  return net;
}

export function batchOf(spec: NetSpec): Tensor {
  return tensor(inputOf(spec)).reshape([spec.batch, spec.sizes[0] as number]);
}

export function forwardJob(spec: NetSpec): Job {
  const net = netOf(spec);
  const x = batchOf(spec);
  if (spec.planned === true) net.hybridize();
  return calls(
    () => net(x),
    () => net(x).toTypedArray(),
  );
}

/** One step of training on the same batch again and again; answers the losses, one for each sample. */
export function trainStep(spec: TrainSpec): () => Tensor {
  const net = netOf(spec);
  const x = batchOf(spec);
  const outputs = spec.sizes.at(-1) as number;
  const y: Tensor =
    spec.loss === 'softmax' ? tensor(classesOf(spec)) : tensor(targetsOf(spec)).reshape([spec.batch, outputs]);
  const criterion = spec.loss === 'softmax' ? new loss.SoftmaxCrossEntropy() : new loss.L2();
  const trainer = new Trainer(net.collectParams(), spec.optimizer, { learningRate: LEARNING_RATES[spec.optimizer] });
  if (spec.planned === true) {
    const step = compileStep(net, criterion, trainer);
    return () => step(x, y);
  }
  return () => {
    const losses: Tensor = autograd.record(() => criterion(net(x), y));
    losses.backward();
    trainer.step(spec.batch);
    return losses;
  };
}

export function trainJob(spec: TrainSpec): Job {
  const step = trainStep(spec);
  return calls(step, () => Array.from({ length: COMPARED_STEPS }, () => step().mean().item()));
}
