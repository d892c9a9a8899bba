import { autograd, compileStep, random, type Tensor, Trainer, tensor } from '../../lib/index.js';
import { plansOf } from '../../lib/nn/block/plans.js';
import { bits } from '../support/nn-helpers.js';
import { makeProgram, programInput, programNet } from '../support/programs.js';
import { full, makeRandom } from '../support/random.js';

const rounds = full ? 2000 : 150;

/** What a random program gives for several batches, and what it leaves after. */
function answers(salt: number, hybridized: boolean): { text: string; given: unknown[]; made: number } {
  random.seed(1);
  const r = makeRandom(salt);
  const { net, call, program, outside } = programNet(o => makeProgram(r, r.int(2, 20), o));
  net.initialize();
  if (hybridized) net.hybridize();
  const given: unknown[] = [];
  for (const batch of [3, 5, 3, 1, 2, 0]) {
    const x = programInput(program, batch, salt);
    try {
      given.push(call(x).map(bits), bits(outside.buffer), bits(random.uniform([1])));
    } catch (error) {
      given.push(String(error));
    }
    outside.parameter.setData(tensor([1 + batch / 8]));
  }
  return { text: program.text, given, made: plansOf(net)?.made ?? 0 };
}

test(`${rounds} random programs give by plans what they give without, bit for bit`, () => {
  const wrong: string[] = [];
  for (let salt = 0; salt < rounds && wrong.length < 3; salt++) {
    const [planned, eager] = [answers(salt, true), answers(salt, false)];
    if (JSON.stringify(planned.given) !== JSON.stringify(eager.given)) wrong.push(`${salt} ${eager.text}`);
    if (planned.made === 0) wrong.push(`${salt} was not planned: ${eager.text}`);
  }
  expect(wrong).toEqual([]);
});

/** The same, trained: its floats' sum of squares, by compiled steps or by hand. */
function trained(salt: number, compiled: boolean): { text: string; given: unknown[] } {
  random.seed(1);
  const r = makeRandom(salt);
  const { net, call, program, outside } = programNet(o => makeProgram(r, r.int(2, 20), o));
  net.initialize();
  const trainer = new Trainer(net.collectParams(), 'sgd', { learningRate: 1e-3, clipNorm: 1 });
  const lossOf = (outputs: Tensor[]): Tensor =>
    [...outputs, outside.parameter.data()].map(y => y.square().mean() as Tensor).reduce((a, b) => a.add(b) as Tensor);
  const step = compileStep(net, lossOf, trainer);
  const given: unknown[] = [];
  for (const batch of [3, 5, 3, 1]) {
    const x = programInput(program, batch, salt);
    let l: Tensor;
    if (compiled) {
      l = step(x);
    } else {
      l = autograd.record(() => lossOf(call(x)));
      l.backward();
      trainer.step(batch);
    }
    given.push(bits(l), bits(outside.parameter.data()), bits(outside.parameter.grad()), bits(outside.buffer));
  }
  return { text: program.text, given };
}

test(`${rounds} random programs train by plans as they do without, bit for bit`, () => {
  const wrong: string[] = [];
  for (let salt = 0; salt < rounds && wrong.length < 3; salt++) {
    const [planned, eager] = [trained(salt, true), trained(salt, false)];
    if (JSON.stringify(planned.given) !== JSON.stringify(eager.given)) wrong.push(`${salt} ${eager.text}`);
  }
  expect(wrong).toEqual([]);
});
