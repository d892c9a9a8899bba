import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { autograd, compileStep, loss, nn, random, type Tensor, Trainer, tensor } from 'latent';
import { integers } from './generate.js';
import { pictures } from './latent-pictures.js';
import { sequences } from './latent-sequences.js';
import { type FineTuningSpec, type ModelSpec, modelInput } from './models.js';
import { COMPARED_STEPS } from './nets.js';
import { calls, type Job } from './serve.js';

const CLASSES = 1000;

const nets = { ...pictures, ...sequences };

/** A net with statistics of a batch where it has any, so that its values are neither tiny nor huge. */
function netOf({ net: name }: ModelSpec): nn.Sequential {
  random.seed(1);
  const net: nn.Sequential = new nn.Sequential(...nets[name]());
  net.initialize({ init: 'xavier' });
  if (name in pictures)
    for (let i = 0; i < 4; i++) autograd.record(() => net(random.uniform([2, 3, 64, 64], { low: -1, high: 1 })));
  return net;
}

/** Writes a file, whole or not at all. */
function writeWhole(path: string, bytes: Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true });
  const own = `${path}.${process.pid}`;
  writeFileSync(own, bytes);
  renameSync(own, path);
}

function writeModel(net: nn.Sequential, { model, input, below }: ModelSpec): void {
  const dtype = below === undefined ? 'float32' : 'int32';
  writeWhole(model, net.toOnnx({ inputShape: ['batch', ...input.slice(1)], dtype }));
}

export function modelJob(spec: ModelSpec): Job {
  const net = netOf(spec);
  const x: Tensor = tensor(modelInput(spec), { shape: [...spec.input] });
  net(x);
  if (spec.winograd === undefined) writeModel(net, spec);
  net.hybridize(true, spec.winograd === undefined ? {} : { winograd: spec.winograd });
  return calls(
    () => net(x),
    () => net(x).toTypedArray(),
  );
}

/** Steps on one batch. They compute with statistics of the batch, so that the running ones are not compared. */
export function fineTuningJob(spec: FineTuningSpec): Job {
  random.seed(1);
  const net: nn.Sequential = new nn.Sequential(...pictures[spec.net]());
  net.initialize({ init: 'xavier' });
  const x: Tensor = tensor(modelInput(spec), { shape: [...spec.input] });
  const [batch] = spec.input as [number];
  const y: Tensor = tensor(integers(batch, 2, CLASSES));
  net(x);
  const learned = [...net.collectParams().values()].filter(parameter => parameter.gradReq !== 'null');
  const values = learned.map(parameter => Buffer.from((parameter.data().toTypedArray() as Float32Array).buffer));
  writeWhole(spec.parameters, Buffer.concat(values));
  const criterion = new loss.SoftmaxCrossEntropy();
  const trainer = new Trainer(net.collectParams(), 'sgd', { learningRate: spec.rate, momentum: spec.momentum });
  const compiled = compileStep(net, criterion, trainer);
  const byHand = (): Tensor => {
    const losses: Tensor = autograd.record(() => criterion(net(x), y));
    losses.backward();
    trainer.step(batch);
    return losses;
  };
  const step = spec.planned ? () => compiled(x, y) : byHand;
  return calls(step, () => Array.from({ length: COMPARED_STEPS }, () => step().mean().item()));
}
