import { ints, limits, Place, Status, session } from '../native/register.js';
import { failed } from '../ops/invoke.js';
import type { Owner } from '../trace/shape-pass.js';
import { differencesOf, sameStructure } from './differences.js';
import { encode, numbersOf, shapePlaces } from './encode.js';
import type { Program, Step, Value } from './program.js';
import { SizedPlan } from './sized-plan.js';
import { type Differences, type Hoisted, hoist } from './steps/hoist.js';

const none: Differences = { steps: new Set(), held: new Set() };

/** The place of a value among what is held; -1 for any other. */
function heldAt({ values }: Program, value: number): number {
  const { origin, index } = values[value] ?? { origin: 'made', index: -1 };
  return origin === 'held' ? index : -1;
}

/**
 * The native steps of a forward, which one call runs. Their sizes and arguments are numbers that come apart from them, from
 * an evaluation of the forward at these very sizes: a plan serves all sizes at which the forward takes the same steps.
 */
export class Plan {
  /** The object that owns the native plan: the addon frees the plan after this handle is collected. */
  readonly #handle = {};
  readonly #structure: Int32Array;
  readonly #differences: Differences;
  readonly #hoisted: Hoisted;
  /** The program for which the plan was made. */
  readonly program: Program;
  readonly id: number;
  /** The register: numbers of the inputs, of what is held, places in random streams, numbers of the outputs. */
  readonly words: Int32Array;
  /** The place of the first output's number among the words. */
  readonly firstOutput: number;
  /** The steps in the order in which they run. */
  readonly steps: readonly Step[];
  readonly shapePlaces: readonly number[];
  /** The value that tells the sizes and type of each tensor that is held. */
  readonly heldValues: readonly number[];
  /** The held tensors to which a run writes, by place. */
  readonly written: readonly number[];

  /**
   * `where`: how what ran when a step was traced is called. `differences`: what is known to differ between the programs that
   * the plan will run.
   */
  constructor(
    program: Program,
    readonly where: (owner: unknown) => string,
    differences: Differences = none,
  ) {
    const { steps, values, held, outputs, placements, inputCount } = program;
    this.program = program;
    this.#structure = encode(program);
    this.#differences = differences;
    this.#hoisted = hoist(program, differences);
    this.steps = this.#hoisted.order.map(i => steps[i] as Step);
    this.shapePlaces = shapePlaces(values);
    const heldValues: number[] = held.map(() => -1);
    for (let id = values.length - 1; id >= 0; id--) {
      const place = heldAt(program, id);
      if (place >= 0) heldValues[place] = id;
    }
    for (const { held: place, value } of placements) heldValues[place] = value;
    this.heldValues = heldValues;
    const targets = new Set(steps.filter(step => step.kind === 'into').map(step => step.outputs[0] as number));
    const written = [...targets].flatMap(id => {
      const { origin, index } = values[id] as Value;
      return origin === 'held' ? [index] : [];
    });
    this.written = [...written, ...placements.map(one => one.held)];
    const draws = steps.filter(step => step.draw !== null).length;
    const made = outputs.filter(output => output.from === 'made').length;
    this.firstOutput = inputCount + held.length + limits.drawInts * draws;
    const register = new ArrayBuffer(4 * (this.firstOutput + made));
    this.words = new Int32Array(register);
    const status = session.createPlan(this.#handle, register, encode(program, this.#hoisted));
    if (status !== Status.ok) failed(status, 'plan', [], 'float32');
    this.id = ints[Place.outputId] as number;
  }

  /**
   * This plan for a program, which may be that of other input sizes; null for a program of other steps. Where the program
   * differs in what is hoisted, the answer belongs to another plan, which hoists less and serves both.
   */
  sized(program: Program): SizedPlan | null {
    if (program !== this.program && !sameStructure(this.program, program, this.#structure)) return null;
    const { steps, held } = program === this.program ? none : differencesOf(this.program, program);
    const differs = (i: number): boolean =>
      steps.has(i) || (program.steps[i] as Step).inputs.some(input => held.has(heldAt(program, input)));
    const { order, count } = this.#hoisted;
    if (order.slice(0, count).some(differs)) {
      const all = {
        steps: new Set([...this.#differences.steps, ...steps]),
        held: new Set([...this.#differences.held, ...held]),
      };
      return new Plan(program, this.where, all).sized(program);
    }
    const owners = program.held.map((owner, i) => (held.has(i) ? owner : (this.program.held[i] as Owner)));
    return new SizedPlan(this, numbersOf(program, this.#hoisted), owners);
  }

  /** How many native calls a run makes, without those that run only when a parameter has changed. */
  get length(): number {
    return this.steps.length - this.#hoisted.count;
  }
}
