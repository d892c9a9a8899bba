import { Contender, ContenderError, type Launch } from '../contenders/contender.js';
import { pytorch } from '../contenders/pytorch.js';
import { worker } from '../contenders/workers.js';
import { makeRow, type Row } from '../report/row.js';
import type { MemorySpec } from '../workers/latent-memory.js';
import { type LayerForm, type LayersSpec, layersSpec } from '../workers/layers.js';
import { lenetOf } from './layers.js';
import { EAGER } from './names.js';
import { nameOf } from './nets.js';
import type { CaseName, Context, Effort, Suite } from './suite.js';
import { trainSpec } from './train.js';

const NAME = 'memory';
const TIMEOUT = 300_000;
const MB = 1 << 20;

/** A training loop. */
interface Loop {
  readonly shape: string;
  readonly spec: MemorySpec;
  readonly steps: number;
}

const dense = (sizes: readonly number[], batch: number, steps: number): Loop => ({
  shape: `${nameOf(sizes)}, batch ${batch}, ${steps} steps`,
  spec: trainSpec('memory', sizes, batch, 'adam'),
  steps,
});

const layers = (name: string, forms: readonly LayerForm[], input: readonly number[], steps: number): Loop => ({
  shape: `${name}, ${input.join('x')}, ${steps} steps`,
  spec: { kind: 'memory', layers: layersSpec(forms, input, 'train').spec },
  steps,
});

/** A single step of each of the last three needs more than 500 MB. */
function loops({ quick }: Effort): readonly Loop[] {
  const small = dense([784, 512, 512, 10], 256, quick ? 100 : 1000);
  if (quick) return [small];
  return [
    dense([20, 256, 10], 32, 20_000),
    small,
    dense([512, 1024, 1024, 1024, 512], 16_384, 8),
    layers('LeNet 20-50-500', lenetOf(20, 50, 500), [4096, 1, 28, 28], 8),
    layers('LSTM 512', [{ is: 'lstm', size: 512 }], [64, 512, 256], 4),
  ];
}

const PEAK = 'peak of the process';
const END = 'process at the end';
const TENSORS = 'peak of tensors';
const LEFT = 'tensors left';
const PLANNED = 'peak of tensors, compiled step';
const FIRST = 'peak of the first step';

const namesOf = (loop: Loop): CaseName[] =>
  [PEAK, END, TENSORS, PLANNED, LEFT].map(name => ({ case: name, shape: loop.shape }));

/** The same loop with a compiled step. */
function planned(spec: MemorySpec): MemorySpec {
  return 'layers' in spec
    ? { ...spec, layers: { ...(spec.layers as LayersSpec), planned: true } }
    : { ...spec, planned: true };
}

/** What workers/latent-memory.ts and python/nets.py answer, in MB. */
interface Use {
  readonly firstStep: number;
  readonly peak: number;
  readonly left: number;
  readonly peakResident: number;
  readonly resident: number;
}

/** Runs a loop in a process of its own. */
async function useOf(
  name: string,
  launch: Launch,
  spec: MemorySpec,
  steps: number,
  title: string,
): Promise<[Use, version: string]> {
  const { contender, version } = await Contender.start(name, launch, TIMEOUT);
  try {
    await contender.prepare(spec, title);
    await contender.time(steps, 0, title);
    const { values } = await contender.answer(title);
    const [firstStep = 0, peak = 0, left = 0, peakResident = 0, resident = 0] = values.map(bytes => bytes / MB);
    return [{ firstStep, peak, left, peakResident, resident }, version];
  } finally {
    await contender.close();
  }
}

async function attempt(context: Context, run: () => Promise<[Use, string]>): Promise<[Use, string] | null> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof ContenderError)) throw error;
    context.problem(error.message);
    return null;
  }
}

async function rowsOf(loop: Loop, context: Context): Promise<Row[]> {
  const { threads } = context;
  const { shape, spec } = loop;
  context.progress(`${NAME}: ${shape}`);
  const useOfOurs = (which: MemorySpec): Promise<[Use, string] | null> =>
    attempt(context, () => useOf('latent', worker('latent', [String(threads)]), which, loop.steps, shape));
  const ours = await useOfOurs(spec);
  const compiled = await useOfOurs(planned(spec));
  if (ours === null || compiled === null) return [];
  const [use, version] = ours;
  context.version('latent', version);
  const launch = context.peers?.includes(pytorch.name) === false ? undefined : pytorch.find(threads)?.[0];
  const theirs =
    launch === undefined ? null : await attempt(context, () => useOf(pytorch.name, launch, spec, loop.steps, shape));
  if (theirs !== null) context.version(pytorch.name, theirs[1]);
  const row = (name: string, figure: number, others: Partial<Pick<Row, 'peers' | 'baselines'>> = {}): Row =>
    makeRow({ suite: NAME, case: name, shape, threads, unit: 'MB', better: 'less', ours: figure, ...others });
  const peer = (figure: keyof Use): Pick<Row, 'peers'> => ({
    peers: theirs === null ? {} : { [pytorch.name]: theirs[0][figure] },
  });
  return [
    row(PEAK, use.peakResident, peer('peakResident')),
    row(END, use.resident, peer('resident')),
    row(TENSORS, use.peak, { baselines: { [FIRST]: use.firstStep } }),
    row(PLANNED, compiled[0].peak, { baselines: { [EAGER]: use.peak, [FIRST]: use.firstStep } }),
    row(LEFT, use.left),
  ];
}

export const memory: Suite = {
  name: NAME,
  about:
    'what training loops take, dense nets with Adam and others with SGD, each in a process of its own: the process, and the tensors in it',
  peers: [pytorch],
  cases: effort => loops(effort).flatMap(namesOf),
  async run(context) {
    const wantsPeer = context.peers === null || context.peers.includes(pytorch.name);
    if (wantsPeer && pytorch.find(context.threads) === null) context.missing(pytorch);
    const rows: Row[] = [];
    for (const loop of loops(context)) {
      if (namesOf(loop).some(context.chosen)) rows.push(...(await rowsOf(loop, context)).filter(context.chosen));
    }
    return rows;
  },
};
