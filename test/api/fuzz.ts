/**
 * Random calls of the public API: values of the declared types, and what no declaration allows. Arguments: a seed, how many
 * calls, and the file of the declared API. Prints what was found as JSON. Run by fuzz.test.ts in a process of its own, in a
 * folder of its own.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { makeRandom } from '../support/random.js';
import type { Callable, Kind } from './declared.js';

const [seed = '1', calls = '1000', declared = '', library = ''] = process.argv.slice(2);
const latent = require(library) as typeof import('../../lib/index.js') & Record<string, unknown>;
type Tensor = import('../../lib/index.js').Tensor;
const random = makeRandom(Number(seed));
const api = JSON.parse(readFileSync(declared, 'utf8')) as Callable[];
const pick = <T>(list: readonly T[]): T => list[Math.floor(random.next() * list.length)] as T;

/** Raised by what the fuzzer itself hands in: whoever calls it may let it through. */
class Own extends Error {}

/** Never called: they end the process's work, set what everything else depends on, or are errors' own constructors. */
const left = /Error$|(^|\.)(setLimit|setNumThreads|dispose|gradCheck|mnist|fashionMnist|exit|addEqualityTesters)$/i;
const callables = api.filter(
  ({ path, how }) => !left.test(path) && (how === 'method' || typeof resolve(path).value === 'function'),
);

latent.memory.setLimit(200e6);
process.emitWarning = () => {};
process.on('unhandledRejection', () => {});

const dtypes = ['float32', 'float64', 'int32', 'uint8', 'bool'] as const;
function drawTensor(): Tensor {
  const rank = Math.floor(random.next() * 5);
  const shape = Array.from({ length: rank }, () => pick([0, 1, 2, 3, 4, 7]));
  const dtype = random.next() < 0.7 ? 'float32' : pick(dtypes);
  const t = latent.random
    .normal(shape)
    .mul(3)
    .cast(dtype as 'float32') as Tensor;
  return random.next() < 0.2 && rank > 1 ? (t.transpose() as Tensor) : t;
}

/** Classes by their names. */
const owners = new Map(
  api.filter(({ how }) => how === 'method').map(({ owner }) => [owner.split('.').at(-1) as string, owner]),
);
const instances = new Map<string, unknown[]>();
function keep(name: string, value: unknown): void {
  const list = instances.get(name) ?? [];
  if (list.length < 12) list.push(value);
  else list[Math.floor(random.next() * list.length)] = value;
  instances.set(name, list);
}

const hostile: readonly (() => unknown)[] = [
  () => undefined,
  () => null,
  () => NaN,
  () => pick([Infinity, -Infinity, -0, -1, 0.5, 1e300, 2 ** 31, 2 ** 32, 2 ** 53, 1e-320]),
  () => pick(['', 'float32', '__proto__', 'x'.repeat(1000), '\0', '🙂']),
  () => true,
  () => 10n ** 30n,
  () => Symbol('s'),
  () => [],
  () => [[[[]]]],
  () => new Array(5),
  () => ({}),
  () => ({ length: 1e9 }),
  () => Object.create(null),
  () => new Date(NaN),
  () => /x/y,
  () => new Map([[1, 2]]),
  () => new Float32Array(3),
  () => new Float64Array(new SharedArrayBuffer(16)),
  () => new DataView(new ArrayBuffer(4)),
  () => new ArrayBuffer(8),
  () => () => {
    throw new Own('by a function that was handed in');
  },
  () => (x: unknown) => x,
  () => ({
    get axis(): number {
      throw new Own('by a getter');
    },
  }),
  () => ({ valueOf: () => 3, toString: () => 'three' }),
  () => new Proxy({}, { get: () => pick([1, undefined, 'a', null]) }),
  () => new Proxy(drawTensor(), {}),
  () => Promise.resolve(1),
  () => {
    const circular: unknown[] = [];
    circular.push(circular);
    return circular;
  },
  () => {
    const t = drawTensor();
    t.dispose();
    return t;
  },
  () => latent,
  () => drawTensor(),
  () => pick([...instances.values()].flat().concat([1])),
];

function draw(kind: Kind, depth = 4): unknown {
  if (random.next() < 0.06) return pick(hostile)();
  if (depth === 0) return undefined;
  switch (kind.is) {
    case 'number':
      return random.next() < 0.8 ? pick([0, 1, 2, 3, 4, -1, 0.5, 0.1, 8]) : pick([1e9, -2, 1.5, 1e300, NaN, 100]);
    case 'boolean':
      return random.next() < 0.5;
    case 'string':
      return pick(['a', 'b.safetensors', 'relu', 'weight', 'xavier', 'float32', 'adam', 'NTC', '']);
    case 'tensor':
      return drawTensor();
    case 'function':
      return pick([(x: unknown) => x, () => drawTensor(), () => undefined, async () => 1]);
    case 'nothing':
      return undefined;
    case 'literal':
      return kind.value;
    case 'instance': {
      const list = [...instances].filter(
        ([name]) => name === kind.of || name.endsWith(`.${kind.of}`) || random.next() < 0.1,
      );
      return pick(list.flatMap(([, values]) => values).concat(list.length > 0 ? [] : [undefined]));
    }
    case 'list':
      return Array.from({ length: pick([0, 1, 2, 3]) }, () => draw(kind.item, depth - 1));
    case 'tuple':
      return kind.items.map(item => draw(item, depth - 1));
    case 'object':
      return Object.fromEntries(
        kind.fields.filter(() => random.next() < 0.4).map(([name, field]) => [name, draw(field, depth - 1)]),
      );
    case 'choice':
      return draw(pick(kind.among), depth);
    default:
      return pick([...hostile, () => 1, () => [1, 2], () => drawTensor()])();
  }
}

/** What a call that raises must leave as it was. */
const watched = {
  tensors: [
    latent.tensor([1, 2, 3]),
    latent.ones([2, 2]).attachGrad(),
    latent.tensor([[1, 2]], { dtype: 'int32' }),
  ] as Tensor[],
  net: new latent.nn.Sequential(new latent.nn.Dense(3), new latent.nn.BatchNorm(), new latent.nn.Dense(2)),
};
watched.net.initialize();
watched.net(latent.ones([2, 4]) as never);
function state(): string {
  const hash = createHash('sha1');
  const all = [...watched.tensors, ...[...watched.net.collectParams().values()].map(p => p.data() as Tensor)];
  for (const t of all) hash.update(String(t.shape)).update(new Uint8Array((t.toTypedArray() as Float32Array).buffer));
  return hash.digest('hex');
}

function resolve(path: string): { self: unknown; value: unknown } {
  let self: unknown;
  let value: unknown = latent;
  for (const name of path.split('.')) {
    self = value;
    value = (value as Record<string, unknown>)[name];
  }
  return { self, value };
}

const findings = new Map<string, string>();
const shown = (value: unknown): string => {
  try {
    return require('node:util').inspect(value, { depth: 1, breakLength: Infinity }).slice(0, 200);
  } catch {
    return 'what cannot be shown';
  }
};
const isOurs = (error: unknown): boolean =>
  error instanceof Own ||
  (error instanceof Error && String((error as { code?: unknown }).code).startsWith('ERR_LATENT'));

function report(call: string, args: readonly unknown[], error: unknown): void {
  const where = error instanceof Error ? (error.stack ?? '').split('\n').slice(0, 4).join(' | ') : shown(error);
  const key = `${call}: ${error instanceof Error ? error.message.slice(0, 60) : ''}`;
  if (findings.size < 50 && !findings.has(key)) findings.set(key, `(${args.map(shown).join(', ')}) ${where}`);
}

let raised = 0;
let returned = 0;
async function main(): Promise<void> {
  let before = state();
  for (let n = 0; n < Number(calls); n++) {
    if (n % 200 === 199) await new Promise(done => setImmediate(done));
    const { path, how, owner, parameters } = pick(callables);
    const count = random.next() < 0.9 ? parameters.length : Math.floor(random.next() * 5);
    const args = Array.from({ length: count }, (_, i) => draw(parameters[i] ?? { is: 'anything' }));
    if (random.next() < 0.3) while (args.length > 0 && random.next() < 0.5) args.pop();
    try {
      let result: unknown;
      if (how === 'constructor') {
        result = Reflect.construct(resolve(path).value as new () => unknown, args);
        keep(path, result);
      } else if (how === 'function') {
        const { self, value } = resolve(path);
        result = (value as (...args: unknown[]) => unknown).apply(self, args);
      } else {
        const list = owner === 'Tensor' ? [drawTensor(), drawTensor()] : (instances.get(owner) ?? []);
        if (list.length === 0) continue;
        const self = pick(list) as Record<string, (...args: unknown[]) => unknown>;
        const method = self[path.slice(owner.length + 1)];
        if (typeof method !== 'function') continue;
        result = method.apply(self, args);
      }
      returned++;
      const made = owners.get((result as { constructor?: { name?: string } } | null)?.constructor?.name ?? '');
      if (made !== undefined && how !== 'constructor') keep(made, result);
      if (result instanceof Promise) result.catch(error => isOurs(error) || report(path, args, error));
      else if (typeof (result as { next?: unknown } | null)?.next === 'function') {
        // A few steps of what can be gone through.
        const steps = result as Iterator<unknown>;
        for (let i = 0; i < 3; i++) await steps.next();
      }
      if (state() !== before) before = state();
    } catch (error) {
      raised++;
      if (!isOurs(error)) report(path, args, error);
      const now = state();
      if (now !== before) report(`${path} changed what it had not been given`, args, error);
      before = now;
    }
  }
  console.log(JSON.stringify({ raised, returned, findings: [...findings].map(([key, text]) => `${key} ${text}`) }));
}

void main().then(() => process.exit(0));
