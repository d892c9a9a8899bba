import { memory, random, tensor } from '../../../lib/index.js';
import { addon } from '../../../lib/native/addon.js';
import { ints, Place, Status, session } from '../../../lib/native/register.js';
import { internals, type Tensor } from '../../../lib/tensor/tensor.js';
import { values } from '../../support/nn-helpers.js';
import { makeProgram, programNet } from '../../support/programs.js';
import { makeRandom } from '../../support/random.js';

/**
 * Plans as the library makes them, and such with something wrong in their description, their register or their numbers:
 * all must be refused or run.
 */
const rounds = Number(process.argv[2]);
const r = makeRandom(815);
const oddWords = [-2, -1, 0, 1, 2, 3, 7, 8, 9, 24, 25, 255, 2 ** 20, 2 ** 31 - 1, -(2 ** 31)];
const oddNumbers = [-1, -0.5, 0, 0.5, 1, 3, 2 ** 31, 2 ** 53, 1e308, Infinity, Number.NaN];
const oddSizes = [-1, 0, 2, 3, 1000, 2 ** 31 - 1, -(2 ** 31)];

interface Description {
  readonly words: Int32Array;
  readonly numbers: Float64Array;
  readonly register: ArrayBuffer;
  readonly inputs: number;
}

/** What the library hands to the addon for a random program, and the tensors that it holds. */
function describe(
  salt: number,
): { description: Description; net: object; held: Tensor[]; input: readonly number[] } | null {
  random.seed(salt);
  const q = makeRandom(salt);
  const { net, call, program, outside } = programNet(o => makeProgram(q, q.int(2, 12), o));
  net.initialize();
  net.hybridize();
  const seen: Description[] = [];
  const { createPlan, addSizes } = session;
  let made = { words: new Int32Array(), register: new ArrayBuffer(0) };
  session.createPlan = (handle, register, words) => {
    made = { words: words.slice(), register };
    return createPlan(handle, register, words);
  };
  session.addSizes = (id, numbers) => {
    seen.push({ ...made, numbers: numbers.slice(), inputs: made.words[0] ?? 0 });
    return addSizes(id, numbers);
  };
  const shape = [3, ...program.input];
  try {
    call(tensor(values(shape.reduce((a, b) => a * b, 1)), { shape }));
  } finally {
    Object.assign(session, { createPlan, addSizes });
  }
  const description = seen[0];
  return description === undefined
    ? null
    : { description, net, held: [outside.parameter.data(), outside.buffer, outside.strided], input: program.input };
}

function mutated(list: Int32Array | Float64Array, odd: readonly number[]): void {
  for (let n = r.int(1, 3); n > 0 && list.length > 0; n--) {
    const i = r.int(0, list.length - 1);
    list[i] = r.next() < 0.5 ? (list[i] as number) + r.pick([-1, 1]) : r.pick(odd);
  }
}

memory.setLimit(512e6);
const statuses: Record<string, number> = {};
const count = (key: string): void => {
  statuses[key] = (statuses[key] ?? 0) + 1;
};
for (let round = 0; round < rounds; round++) {
  const made = describe(round);
  if (made === null) continue;
  const { description, net, held, input } = made;
  const { words, numbers } = description;
  const x = tensor(values(3 * input.reduce((a, b) => a * b, 1)), { shape: [3, ...input] });
  for (let variant = 0; variant < 12; variant++) {
    const [w, n] = [words.slice(), numbers.slice()];
    const wrong = variant > 0;
    if (wrong && r.next() < 0.6) mutated(w, oddWords);
    if (wrong && r.next() < 0.4) mutated(n, oddNumbers);
    const right = new Int32Array(description.register);
    const length = wrong && r.next() < 0.1 ? r.int(0, 40) : right.length;
    const cut = wrong && r.next() < 0.1 ? w.subarray(0, r.int(0, w.length)) : w;
    const register = new ArrayBuffer(4 * length);
    const handle = {};
    const status = session.createPlan(handle, register, cut);
    count(`${wrong ? 'mutated' : 'plain'} made ${status}`);
    if (status !== Status.ok) continue;
    const plan = ints[Place.outputId] as number;
    const sized = session.addSizes(plan, wrong && r.next() < 0.1 ? n.subarray(0, r.int(0, n.length)) : n);
    count(`${wrong ? 'mutated' : 'plain'} sized ${sized}`);
    const sizes = sized === Status.ok ? (ints[Place.outputId] as number) : 1;
    const ids = new Int32Array(register);
    const outputs = w[5] as number;
    for (let run = 0; run < 3; run++) {
      const known = [x, ...held].map(t => internals.idOf(t));
      for (let i = 0; i < ids.length; i++) {
        ids[i] = i < description.inputs ? internals.idOf(x) : (right[i] ?? 0);
        if (wrong && r.next() < 0.05) ids[i] = r.pick([...oddWords, ...known]);
      }
      ints[Place.opcode] = wrong && r.next() < 0.05 ? r.pick([...oddWords, ...known]) : plan;
      const called = ints[Place.opcode] as number;
      ints[Place.sizes] = wrong && r.next() < 0.2 ? r.pick(oddSizes) : sizes;
      session.runPlan(undefined);
      const ran = ints[Place.status] as number;
      count(`${wrong ? 'mutated' : 'plain'} ran ${ran}`);
      if (ran !== Status.ok || called !== plan) continue;
      for (let i = 0; i < outputs; i++) session.release(ids[ids.length - outputs + i] as number);
    }
    if (r.next() < 0.5) session.addSizes(plan, numbers);
    session.planBytes(plan, r.pick([sizes, ...oddSizes]));
    session.dropSizes(plan, r.pick([sizes, ...oddSizes]));
  }
  // Its tensors are the plan's as long as it lives.
  if (net === null) break;
}
memory.collect();
console.log(JSON.stringify({ isa: addon.isa, statuses }));
