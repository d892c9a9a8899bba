import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { autograd, nn, random, type Tensor, tensor } from 'latent';
import { pictures } from './latent-pictures.js';
import { sequences } from './latent-sequences.js';
import { type ModelSpec, modelInput } from './models.js';
import { calls, type Job } from './serve.js';

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

/** Writes the net's file, whole or not at all. */
function writeModel(net: nn.Sequential, { model, input, below }: ModelSpec): void {
  mkdirSync(dirname(model), { recursive: true });
  const own = `${model}.${process.pid}`;
  const dtype = below === undefined ? 'float32' : 'int32';
  writeFileSync(own, net.toOnnx({ inputShape: ['batch', ...input.slice(1)], dtype }));
  renameSync(own, model);
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
