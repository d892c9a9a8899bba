import { ints, Place, reals, Status, session } from '../native/register.js';
import { failed, invokePlan, keepAll, megabytes, noMemoryFor, type PlanCall } from '../ops/invoke.js';
import { beforeWrite } from '../ops/op.js';
import { generators } from '../random/generator.js';
import type { DType } from '../tensor/dtype.js';
import { sizeOf } from '../tensor/shape.js';
import { internals, type Tensor } from '../tensor/tensor.js';
import { rebinding } from '../trace/rebinding.js';
import type { Owner } from '../trace/shape-pass.js';
import { encode } from './encode.js';
import type { Linear, LinearProgram, LinearValue } from './linear.js';
import type { Draw } from './lower.js';
import { beginPrediction, mayRunAtOnce, QUICK, stopPrediction } from './prediction.js';
import { hoist } from './steps/hoist.js';

const DRAW_INTS = 6;

function at({ base, slope }: Linear, batch: number): number {
  return slope === 0 ? base : base + slope * batch;
}

/** A stream that a step draws from, and what it draws. */
interface PlacedDraw extends Draw {
  readonly shape: readonly Linear[];
}

interface Kind {
  readonly shape: readonly number[];
  readonly dtype: DType;
}

/** The native steps of a forward, which one call runs. Serves every batch size that its numbers depend on. */
export class Plan {
  /** The object that owns the native plan: the addon frees the plan after this handle is collected. */
  readonly #handle = {};
  readonly #id: number;
  readonly #words: Int32Array;
  readonly #program: LinearProgram;
  readonly #hoistedSteps: number;
  readonly #inputs: number;
  readonly #held: readonly Owner[];
  readonly #signatures: readonly Kind[];
  readonly #draws: readonly PlacedDraw[];
  /** What a run writes to, by place among what it holds. */
  readonly #written: readonly number[];
  readonly #dtypes: readonly DType[];
  /** The place of the first output's number among the words. */
  readonly #firstOutput: number;
  /** Whether an output is no tensor of the plan's own. */
  readonly #handsOn: boolean;
  #boundAt = -1;
  #batch = -1;
  /** The largest batch that is known to run quickly. */
  #quick = -1;
  #lackedMemory = false;
  #changed = 0;
  #shapes: readonly (readonly number[])[] = [];

  /** `where`: how what ran when a step was traced is called. */
  constructor(
    given: LinearProgram,
    private readonly where: (owner: unknown) => string,
  ) {
    const hoisted = hoist(given);
    const { program } = hoisted;
    const { steps, values, held, outputs, placements, inputCount } = program;
    this.#program = program;
    this.#hoistedSteps = hoisted.count;
    this.#inputs = inputCount;
    this.#held = held;
    this.#draws = steps.flatMap(({ draw, outputs: [output] }) =>
      draw === null ? [] : [{ ...draw, shape: (values[output as number] as LinearValue).shape }],
    );
    this.#signatures = held.map((_, i) => {
      const placed = placements.find(one => one.held === i)?.value ?? -1;
      const { shape, dtype } = (values[placed] ??
        values.find(one => one.origin === 'held' && one.index === i)) as LinearValue;
      return { shape: shape.map(size => size.base), dtype };
    });
    const targets = new Set(steps.filter(step => step.kind === 'into').map(step => step.outputs[0] as number));
    const written = [...targets].flatMap(id => {
      const { origin, index } = values[id] as LinearValue;
      return origin === 'held' ? [index] : [];
    });
    this.#written = [...written, ...placements.map(one => one.held)];
    const made = outputs.filter(output => output.from === 'made');
    this.#dtypes = made.map(output => (values[output.index] as LinearValue).dtype);
    this.#handsOn = made.length < outputs.length;
    this.#firstOutput = inputCount + held.length + DRAW_INTS * this.#draws.length;
    const register = new ArrayBuffer(4 * (this.#firstOutput + made.length));
    this.#words = new Int32Array(register);
    const { words, numbers } = encode(hoisted);
    const status = session.createPlan(this.#handle, register, words, numbers);
    if (status !== Status.ok) failed(status, 'plan', [], 'float32');
    this.#id = ints[Place.outputId] as number;
  }

  /** Whether the last run that failed did so for want of memory, before its first step. */
  get lackedMemory(): boolean {
    return this.#lackedMemory;
  }

  /** Whether the last run, which failed, may have left other values in tensors outside that results are computed in. */
  get hasPlaced(): boolean {
    return this.#changed % 2 === 1;
  }

  /** The same of tensors outside that steps write into. */
  get hasWritten(): boolean {
    return this.#changed >= 2;
  }

  /** The tensors outside that a run writes to. */
  get written(): readonly Owner[] {
    return this.#written.map(place => this.#held[place] as Owner);
  }

  /** Takes the tensors that it holds as they are now; false where they have other sizes or types than it was made for. */
  bind(): boolean {
    if (this.#boundAt === rebinding.count) return true;
    for (let i = 0; i < this.#held.length; i++) {
      const t = (this.#held[i] as Owner).data();
      const { shape, dtype } = this.#signatures[i] as Kind;
      if (t.dtype !== dtype || t.shape.length !== shape.length || t.shape.some((size, d) => size !== shape[d]))
        return false;
      this.#words[this.#inputs + i] = internals.idOf(t);
    }
    this.#boundAt = rebinding.count;
    return true;
  }

  /** One run. The inputs have the sizes that the plan was made for, at this batch. */
  run(inputs: readonly Tensor[], batch: number, call?: PlanCall): Tensor[] {
    const words = this.#words;
    this.#changed = 0;
    for (let i = 0; i < inputs.length; i++) words[i] = internals.idOf(inputs[i] as Tensor);
    // A gradient may be another tensor than at the last run.
    const written = this.#written.map(place => {
      const t = (this.#held[place] as Owner).data();
      words[this.#inputs + place] = internals.idOf(t);
      return t;
    });
    for (const t of written) beforeWrite(t);
    if (this.#batch !== batch) this.#resize(batch);
    const made = this.#drawing(batch, () => this.#invoke(batch, call));
    for (const t of written) internals.bump(t);
    return this.#handsOn ? this.#join(inputs, made) : made;
  }

  /**
   * One run beside this thread, or at once where it is quick, on the tensors as they are now, which calls `done` or `fail` in
   * the end; answers what ends it early. Only where it writes to none outside.
   */
  predict(
    inputs: readonly Tensor[],
    batch: number,
    done: (outputs: readonly Tensor[]) => void,
    fail: (error: unknown) => void,
  ): () => void {
    if (batch <= this.#quick && mayRunAtOnce()) {
      done(this.run(inputs, batch));
      return () => undefined;
    }
    const words = this.#words;
    for (let i = 0; i < inputs.length; i++) words[i] = internals.idOf(inputs[i] as Tensor);
    if (this.#batch !== batch) this.#resize(batch);
    const shapes = this.#shapes;
    const ended = (status: number, step: number, took: number): void => {
      let outputs: Tensor[];
      try {
        if (status !== Status.ok) this.#fail(status, step, batch);
        if (took <= QUICK) this.#quick = Math.max(this.#quick, batch);
        const made = shapes.map((shape, i) => {
          const t = internals.create(shape, this.#dtypes[i] as DType);
          internals.setId(t, words[this.#firstOutput + i] as number);
          return t;
        });
        keepAll(made);
        outputs = this.#handsOn ? this.#join(inputs, made) : made;
      } catch (error) {
        fail(error);
        return;
      }
      done(outputs);
    };
    return this.#drawing(batch, () => {
      const begun = beginPrediction(this.#id, batch, ended);
      if (begun.status !== Status.ok) this.#fail(begun.status, -1, batch);
      return () => stopPrediction(begun.number);
    });
  }

  #invoke(batch: number, call: PlanCall | undefined): Tensor[] {
    return invokePlan(this.#id, batch, this.#shapes, this.#dtypes, this.#words, this.#firstOutput, this.#fail, call);
  }

  /** Runs `body` with the streams that steps draw from moved on, and moves them back where it fails. */
  #drawing<R>(batch: number, body: () => R): R {
    if (this.#draws.length === 0) return body();
    const before = this.#draws.map(({ generator }) => generators.position(generator));
    try {
      this.#draws.forEach(({ generator, perBlock, shape }, i) => {
        const blocks = Math.ceil(sizeOf(shape.map(size => at(size, batch))) / perBlock);
        generators.takeInto(generator, blocks, this.#words, this.#inputs + this.#held.length + DRAW_INTS * i);
      });
      return body();
    } catch (error) {
      this.#draws.forEach(({ generator }, i) => {
        generators.setPosition(generator, before[i] as number);
      });
      throw error;
    }
  }

  /** The outputs in order, tensors that the forward hands on among them. */
  #join(inputs: readonly Tensor[], made: readonly Tensor[]): Tensor[] {
    let next = 0;
    return this.#program.outputs.map(({ from, index }) => {
      if (from === 'made') return made[next++] as Tensor;
      return from === 'input' ? (inputs[index] as Tensor) : (this.#held[index] as Owner).data();
    });
  }

  #resize(batch: number): void {
    const { values, outputs } = this.#program;
    this.#shapes = outputs
      .filter(output => output.from === 'made')
      .map(output => Object.freeze((values[output.index] as LinearValue).shape.map(size => at(size, batch))));
    this.#batch = batch;
  }

  readonly #fail = (status: number, step: number, batch = this.#batch): never => {
    const { steps, values } = this.#program;
    this.#changed = ints[Place.changed] as number;
    this.#lackedMemory = status === Status.outOfMemory && step < 0 && this.#changed === 0;
    if (this.#lackedMemory) {
      const room = session.planBytes(this.#id, batch) === Status.ok ? (reals[0] as number) : 0;
      throw noMemoryFor(
        `${this.where(null)}: no memory for the ${megabytes(room)} that a plan of batch ${batch} computes in, or for its results`,
      );
    }
    const one = steps[step];
    const node = one?.node;
    const value = values[one?.outputs[0] ?? -1];
    const name = node?.kind === 'apply' ? `${node.op.name} in ${this.where(node.owner)}` : 'plan';
    const shape = (value?.shape ?? []).map(size => at(size, batch));
    failed(status, name, shape, value?.dtype ?? 'float32');
  };

  /** Bytes of the arena at a batch size, and the least that any arrangement of it would take. */
  bytes(batch: number): { readonly arena: number; readonly least: number } {
    const status = session.planBytes(this.#id, batch);
    if (status !== Status.ok) failed(status, 'plan', [batch], 'float32');
    return { arena: reals[0] as number, least: reals[1] as number };
  }

  /** How many native calls a run makes, without those that run only when a parameter has changed. */
  get length(): number {
    return this.#program.steps.length - this.#hoistedSteps;
  }
}
