import { bytesOf } from '../../tensor/dtype.js';
import { sizeOf } from '../../tensor/shape.js';
import type { Program, Step, Value } from '../program.js';
import { isPure, type Storages, storagesOf } from './storage.js';

/**
 * How much of what gradients read is kept from the forward: all of it, what products made (the rest is made again, which
 * costs little), or what lies at a few places between which everything is made again (Chen et al. 2016).
 */
export type Keeping = 'all' | 'products' | 'segments';

/** The next way of keeping less where a step doesn't fit memory; null after the last. */
export function savingMore(keeping: Keeping): Keeping | null {
  return keeping === 'all' ? 'products' : keeping === 'products' ? 'segments' : null;
}

/** The most places that segments are tried with. */
const MOST_PLACES = 32;

/**
 * A program that takes less memory and gives the same to the last bit: steps of its forward are run again before gradients
 * read what they made. Null where that saves nothing.
 */
export function recompute(program: Program, keeping: Keeping): Program | null {
  const work = new Recomputing(program);
  if (keeping === 'all' || !work.isPossible) return null;
  const before = peakOf(program);
  const candidates = keeping === 'products' ? [work.keepingProducts()] : work.keepingPlaces();
  let best: Program | null = null;
  let least = before;
  for (const kept of candidates) {
    const candidate = work.programKeeping(kept);
    const peak = peakOf(candidate);
    if (peak >= least) continue;
    [best, least] = [candidate, peak];
  }
  return best;
}

function bytesIn({ shape, dtype }: Value): number {
  return sizeOf(shape) * bytesOf(dtype);
}

/** The most bytes that made values take at once. */
export function peakOf(program: Program): number {
  const { values, steps } = program;
  const { roots, handedOut } = storagesOf(program);
  const lastUse = new Map<number, number>();
  steps.forEach((step, i) => {
    for (const value of [...step.inputs, ...step.outputs]) if (value >= 0) lastUse.set(roots[value] as number, i);
  });
  for (const root of handedOut) lastUse.set(root, steps.length);
  const endings = new Map<number, number[]>();
  for (const [root, i] of lastUse) endings.set(i, [...(endings.get(i) ?? []), root]);
  const alive = new Set<number>();
  let [bytes, most] = [0, 0];
  steps.forEach((step, i) => {
    for (const output of step.outputs) {
      const root = roots[output] as number;
      if (alive.has(root) || values[root]?.origin !== 'made') continue;
      alive.add(root);
      bytes += bytesIn(values[root] as Value);
    }
    most = Math.max(most, bytes);
    for (const root of endings.get(i) ?? []) if (alive.delete(root)) bytes -= bytesIn(values[root] as Value);
  });
  return most;
}

class Recomputing {
  readonly #storages: Storages;
  /** The first step of the gradients. */
  readonly #turn: number;
  /** The step that makes each value. */
  readonly #makers = new Map<number, Step>();
  /** Values that depend on parameters alone. */
  readonly #lasting = new Set<number>();
  /** Activations that the backward pass reads and that can be recomputed, in execution order. */
  readonly #candidates: number[];

  constructor(private readonly program: Program) {
    const { steps } = program;
    this.#storages = storagesOf(program);
    const turn = steps.findIndex(step => step.node?.kind === 'gradient');
    this.#turn = turn < 0 ? steps.length : turn;
    for (const step of steps) {
      const lasts = step.inputs.every(
        input => input < 0 || program.values[input]?.origin === 'held' || this.#lasting.has(input),
      );
      for (const output of step.outputs) {
        this.#makers.set(output, step);
        if (lasts) this.#lasting.add(output);
      }
    }
    const made = new Set(
      steps
        .slice(0, this.#turn)
        .flatMap(step => (step.kind === 'new' ? step.outputs : []))
        .filter(root => this.#isAgain(root)),
    );
    const { roots } = this.#storages;
    const read = new Set(steps.slice(this.#turn).flatMap(step => step.inputs.map(input => roots[input] as number)));
    this.#candidates = [...made].filter(root => read.has(root));
  }

  get isPossible(): boolean {
    return this.#candidates.length > 0;
  }

  /** Whether a value can be made again; what depends on parameters alone is there all the time. */
  #isAgain(root: number): boolean {
    const step = this.#makers.get(root);
    const { handedOut, roots } = this.#storages;
    return (
      step !== undefined &&
      !this.#lasting.has(root) &&
      isPure(step, this.#storages) &&
      !step.outputs.some(output => handedOut.has(roots[output] as number))
    );
  }

  keepingProducts(): Set<number> {
    return new Set(
      this.#candidates.filter(root => {
        const node = this.#makers.get(root)?.node;
        return node?.kind === 'apply' && node.op.multiplyAdds !== undefined;
      }),
    );
  }

  /** Sets of what is kept, at more and more places that split the rest into parts of as many bytes. */
  *keepingPlaces(): Generator<Set<number>> {
    const sizes = this.#candidates.map(root => bytesIn(this.program.values[root] as Value));
    const total = sizes.reduce((a, b) => a + b, 0);
    for (let places = 0; places <= Math.min(MOST_PLACES, this.#candidates.length - 1); places++) {
      const kept = new Set<number>();
      let sum = 0;
      let next = 1;
      this.#candidates.forEach((root, i) => {
        sum += sizes[i] as number;
        if (next > places || sum < (next * total) / (places + 1)) return;
        kept.add(root);
        while (next <= places && sum >= (next * total) / (places + 1)) next++;
      });
      yield kept;
    }
  }

  programKeeping(kept: ReadonlySet<number>): Program {
    const { program } = this;
    const { roots } = this.#storages;
    const values = [...program.values];
    const steps = program.steps.slice(0, this.#turn);
    /** The recomputed value of each value of the forward. */
    const again = new Map<number, number>();
    const dropped = new Set(this.#candidates.filter(root => !kept.has(root)));
    const isMade = (value: number): boolean => values[value]?.origin === 'made';
    const beforeTurn = new Set(steps.flatMap(step => step.outputs));
    // Values that the forward alone reads are gone by then; they are recomputed where another recomputed value reads them.
    const stays = new Set(
      program.steps
        .slice(this.#turn)
        .flatMap(step => step.inputs.filter(input => input >= 0).map(input => roots[input] as number)),
    );
    const isGone = (value: number): boolean => {
      const root = roots[value] as number;
      if (!isMade(root) || !beforeTurn.has(value)) return false;
      return dropped.has(root) || (!stays.has(root) && this.#isAgain(root));
    };
    const isMissing = (value: number): boolean => value >= 0 && !again.has(value) && isGone(value);
    const now = (value: number): number => again.get(value) ?? value;
    /** Makes a value again, after what it is made from: a list of what is to be done, for a net may be deep. */
    const obtain = (wanted: number): void => {
      const open = [wanted];
      while (open.length > 0) {
        const value = open.at(-1) as number;
        const maker = this.#makers.get(value) as Step;
        const missing = again.has(value) ? [] : maker.inputs.filter(isMissing);
        if (missing.length > 0) {
          open.push(...missing);
          continue;
        }
        open.pop();
        if (again.has(value)) continue;
        const outputs = maker.outputs.map(output => values.push(values[output] as Value) - 1);
        steps.push({ ...maker, inputs: maker.inputs.map(now), outputs });
        maker.outputs.forEach((output, i) => {
          again.set(output, outputs[i] as number);
        });
      }
    };
    for (const step of program.steps.slice(this.#turn)) {
      for (const input of step.inputs) if (isMissing(input)) obtain(input);
      steps.push({ ...step, inputs: step.inputs.map(now) });
    }
    return { ...program, values, steps };
  }
}
