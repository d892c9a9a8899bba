import { ints, limits, Place, reals, Status, session } from '../native/register.js';
import { failed, invokePlan, keepAll, megabytes, noMemoryFor, type PlanCall } from '../ops/invoke.js';
import { beforeWrite } from '../ops/op.js';
import { generators } from '../random/generator.js';
import { shownShape } from '../support/check.js';
import type { DType } from '../tensor/dtype.js';
import { sameShape, sizeOf } from '../tensor/shape.js';
import { internals, type Tensor } from '../tensor/tensor.js';
import { rebinding } from '../trace/rebinding.js';
import type { Owner } from '../trace/shape-pass.js';
import type { Plan } from './plan.js';
import { beginPrediction, mayRunAtOnce, QUICK, stopPrediction } from './prediction.js';
import type { Draw, Value } from './program.js';

/** The sized plan whose tensors' numbers a plan's register holds. */
const bound = new WeakMap<Plan, SizedPlan>();

/** A stream that a step draws from, and how many of its blocks a run takes. */
interface PlacedDraw extends Draw {
  readonly blocks: number;
}

/** A plan for inputs of certain sizes. */
export class SizedPlan {
  readonly #shapes: readonly (readonly number[])[];
  readonly #dtypes: readonly DType[];
  readonly #draws: readonly PlacedDraw[];
  /** Whether an output is no tensor of the plan's own. */
  readonly #handsOn: boolean;
  /** The addon's number for the sizes; 0 where it does not keep them. */
  #id = 0;
  #boundAt = -1;
  /** Whether a run is known to be quick. */
  #isQuick = false;
  #lackedMemory = false;
  #changed = 0;

  constructor(
    readonly plan: Plan,
    private readonly numbers: Float64Array,
    private readonly held: readonly Owner[],
  ) {
    const { outputs, values } = plan.program;
    const made = outputs.filter(output => output.from === 'made');
    this.#shapes = made.map(output => Object.freeze(this.#shapeOf(output.index)));
    this.#dtypes = made.map(output => (values[output.index] as Value).dtype);
    this.#handsOn = made.length < outputs.length;
    this.#draws = plan.steps.flatMap(({ draw, outputs: [output] }) =>
      draw === null ? [] : [{ ...draw, blocks: Math.ceil(sizeOf(this.#shapeOf(output as number)) / draw.perBlock) }],
    );
    this.#keep();
  }

  /** Has the addon keep what it works out for these sizes. */
  #keep(): void {
    const status = session.addSizes(this.plan.id, this.numbers);
    if (status !== Status.ok) failed(status, 'plan', [], 'float32');
    this.#id = ints[Place.outputId] as number;
  }

  #shapeOf(value: number): number[] {
    const at = this.plan.shapePlaces[value] as number;
    return Array.from(this.numbers.subarray(at, at + (this.plan.program.values[value] as Value).shape.length));
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
    return this.plan.written.map(place => this.held[place] as Owner);
  }

  /** Takes the tensors that it holds as they are now; false where they have other sizes or types than it was made for. */
  bind(): boolean {
    const { plan } = this;
    if (this.#boundAt === rebinding.count && bound.get(plan) === this) return true;
    const { values, inputCount } = plan.program;
    for (let i = 0; i < this.held.length; i++) {
      const t = (this.held[i] as Owner).data();
      const value = plan.heldValues[i] as number;
      if (t.dtype !== values[value]?.dtype || !sameShape(t.shape, this.#shapeOf(value))) return false;
      plan.words[inputCount + i] = internals.idOf(t);
    }
    this.#boundAt = rebinding.count;
    bound.set(plan, this);
    return true;
  }

  /** One run, on inputs of these sizes. */
  run(inputs: readonly Tensor[], call?: PlanCall): Tensor[] {
    if (this.#id !== 0) return this.#run(inputs, call);
    this.#keep();
    try {
      return this.#run(inputs, call);
    } finally {
      this.drop();
    }
  }

  #run(inputs: readonly Tensor[], call: PlanCall | undefined): Tensor[] {
    const { words, written: places, program } = this.plan;
    this.#changed = 0;
    if (bound.get(this.plan) !== this) this.bind();
    for (let i = 0; i < inputs.length; i++) words[i] = internals.idOf(inputs[i] as Tensor);
    // A gradient may be another tensor than at the last run.
    const written = places.map(place => {
      const t = (this.held[place] as Owner).data();
      words[program.inputCount + place] = internals.idOf(t);
      return t;
    });
    for (const t of written) beforeWrite(t);
    const made = this.#drawing(() => this.#invoke(call));
    for (const t of written) internals.bump(t);
    return this.#handsOn ? this.#join(inputs, made) : made;
  }

  /**
   * One run beside this thread, or at once where it is quick, on the tensors as they are now, which calls `done` or `fail` in
   * the end; answers what ends it early. Only where it writes to none outside.
   */
  predict(
    inputs: readonly Tensor[],
    done: (outputs: readonly Tensor[]) => void,
    fail: (error: unknown) => void,
  ): () => void {
    if (this.#isQuick && mayRunAtOnce()) {
      done(this.run(inputs));
      return () => undefined;
    }
    const { words, id, firstOutput } = this.plan;
    if (bound.get(this.plan) !== this) this.bind();
    for (let i = 0; i < inputs.length; i++) words[i] = internals.idOf(inputs[i] as Tensor);
    const ended = (status: number, step: number, took: number): void => {
      let outputs: Tensor[];
      try {
        if (status !== Status.ok) this.#fail(status, step);
        if (took <= QUICK) this.#isQuick = true;
        const made = this.#shapes.map((shape, i) => {
          const t = internals.create(shape, this.#dtypes[i] as DType);
          internals.setId(t, words[firstOutput + i] as number);
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
    return this.#drawing(() => {
      const begun = beginPrediction(id, this.#id, ended);
      if (begun.status !== Status.ok) this.#fail(begun.status, -1);
      return () => stopPrediction(begun.number);
    });
  }

  #invoke(call: PlanCall | undefined): Tensor[] {
    const { id, words, firstOutput } = this.plan;
    return invokePlan(id, this.#id, this.#shapes, this.#dtypes, words, firstOutput, this.#fail, call);
  }

  /** Runs `body` with the streams that steps draw from moved on, and moves them back where it fails. */
  #drawing<R>(body: () => R): R {
    if (this.#draws.length === 0) return body();
    const { words, program } = this.plan;
    const before = this.#draws.map(({ generator }) => generators.position(generator));
    try {
      this.#draws.forEach(({ generator, blocks }, i) => {
        generators.takeInto(generator, blocks, words, program.inputCount + this.held.length + limits.drawInts * i);
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
    return this.plan.program.outputs.map(({ from, index }) => {
      if (from === 'made') return made[next++] as Tensor;
      return from === 'input' ? (inputs[index] as Tensor) : (this.held[index] as Owner).data();
    });
  }

  readonly #fail = (status: number, step: number): never => {
    const { steps, where, program } = this.plan;
    this.#changed = ints[Place.changed] as number;
    this.#lackedMemory = status === Status.outOfMemory && step < 0 && this.#changed === 0;
    if (this.#lackedMemory) {
      const room = session.planBytes(this.plan.id, this.#id) === Status.ok ? (reals[0] as number) : 0;
      const sizes = program.values.flatMap(({ origin }, i) =>
        origin === 'input' ? [shownShape(this.#shapeOf(i))] : [],
      );
      throw noMemoryFor(
        `${where(null)}: no memory for the ${megabytes(room)} that a plan for inputs of shape ${sizes.join(', ')} computes in, or for its results`,
      );
    }
    const one = steps[step];
    const node = one?.node;
    const output = one?.outputs[0] ?? -1;
    const name = node?.kind === 'apply' ? `${node.op.name} in ${where(node.owner)}` : 'plan';
    failed(status, name, output < 0 ? [] : this.#shapeOf(output), program.values[output]?.dtype ?? 'float32');
  };

  /** Bytes of the arena, and the least that any arrangement of it would take. */
  bytes(): { readonly arena: number; readonly least: number } {
    const status = session.planBytes(this.plan.id, this.#id);
    if (status !== Status.ok) failed(status, 'plan', [], 'float32');
    return { arena: reals[0] as number, least: reals[1] as number };
  }

  /** Frees what the addon keeps for these sizes. A later run works it out again. */
  drop(): void {
    session.dropSizes(this.plan.id, this.#id);
    this.#id = 0;
  }
}
