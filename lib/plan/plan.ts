import { ints, Place, reals, Status, session } from '../native/register.js';
import { failed, invokePlan } from '../ops/invoke.js';
import { beforeWrite } from '../ops/op.js';
import { generators } from '../random/generator.js';
import type { DType } from '../tensor/dtype.js';
import { sizeOf } from '../tensor/shape.js';
import { internals, type Tensor } from '../tensor/tensor.js';
import { rebinding } from '../trace/rebinding.js';
import type { Owner } from '../trace/shape-pass.js';
import { encode } from './encode.js';
import { type Hoisted, hoist } from './hoist.js';
import type { Linear, LinearProgram, LinearStep } from './linear.js';

const DRAW_INTS = 6;

function at({ base, slope }: Linear, batch: number): number {
  return base + slope * batch;
}

interface Kind {
  readonly shape: readonly number[];
  readonly dtype: DType;
}

/** The native steps of a forward, which one call runs. Serves every batch size that its numbers hang on. */
export class Plan {
  /** What the native plan's life hangs on. */
  readonly #handle = {};
  readonly #id: number;
  readonly #words: Int32Array;
  readonly #hoisted: Hoisted;
  readonly #inputs: number;
  readonly #held: readonly Owner[];
  readonly #signatures: readonly Kind[];
  readonly #draws: readonly LinearStep[];
  readonly #written: readonly Owner[];
  #boundAt = -1;
  #batch = -1;
  #shapes: readonly (readonly number[])[] = [];

  constructor(program: LinearProgram) {
    this.#hoisted = hoist(program);
    const { steps, values, held, outputs, inputCount } = this.#hoisted.program;
    const { words, numbers } = encode(this.#hoisted);
    this.#inputs = inputCount;
    this.#held = held;
    this.#draws = steps.filter(step => step.draw !== null);
    this.#signatures = held.map((_, i) => {
      const value = values.find(one => one.origin === 'held' && one.index === i);
      return { shape: value?.shape.map(size => size.base) ?? [], dtype: value?.dtype ?? 'float32' };
    });
    const targets = new Set(steps.filter(step => step.kind === 'into').map(step => step.outputs[0] as number));
    this.#written = [...targets].flatMap(id => {
      const value = values[id];
      return value?.origin === 'held' ? [held[value.index] as Owner] : [];
    });
    const made = outputs.filter(output => output.from === 'made').length;
    const register = new ArrayBuffer(4 * (inputCount + held.length + DRAW_INTS * this.#draws.length + made));
    this.#words = new Int32Array(register);
    const status = session.createPlan(this.#handle, register, words, numbers);
    if (status !== Status.ok) failed(status, 'hybridize', [], 'float32');
    this.#id = ints[Place.outputId] as number;
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
  run(inputs: readonly Tensor[], batch: number): Tensor[] {
    const words = this.#words;
    for (let i = 0; i < inputs.length; i++) words[i] = internals.idOf(inputs[i] as Tensor);
    const { program } = this.#hoisted;
    if (this.#batch !== batch) this.#resize(batch);
    for (const owner of this.#written) beforeWrite(owner.data());
    const positions = this.#draws.map(step =>
      generators.position((step.draw as NonNullable<LinearStep['draw']>).generator),
    );
    for (let i = 0; i < this.#draws.length; i++) this.#draw(i, batch);
    const made = program.outputs.filter(output => output.from === 'made');
    const first = this.#inputs + this.#held.length + DRAW_INTS * this.#draws.length;
    const fresh = invokePlan(
      this.#id,
      batch,
      this.#shapes,
      made.map(output => program.values[output.index]?.dtype ?? 'float32'),
      words,
      first,
      (status, step) => {
        this.#draws.forEach((one, i) => {
          generators.setPosition((one.draw as NonNullable<LinearStep['draw']>).generator, positions[i] as number);
        });
        this.#fail(status, step, batch);
      },
    );
    for (const owner of this.#written) internals.bump(owner.data());
    let next = 0;
    return program.outputs.map(output => {
      if (output.from === 'made') return fresh[next++] as Tensor;
      return output.from === 'input' ? (inputs[output.index] as Tensor) : (this.#held[output.index] as Owner).data();
    });
  }

  #resize(batch: number): void {
    const { values, outputs } = this.#hoisted.program;
    this.#shapes = outputs
      .filter(output => output.from === 'made')
      .map(output => Object.freeze((values[output.index]?.shape ?? []).map(size => at(size, batch))));
    this.#batch = batch;
  }

  #draw(i: number, batch: number): void {
    const { draw, outputs } = this.#draws[i] as LinearStep;
    const { generator, perBlock } = draw as NonNullable<LinearStep['draw']>;
    const shape = this.#hoisted.program.values[outputs[0] as number]?.shape ?? [];
    const blocks = Math.ceil(sizeOf(shape.map(size => at(size, batch))) / perBlock);
    generators.takeInto(generator, blocks, this.#words, this.#inputs + this.#held.length + DRAW_INTS * i);
  }

  #fail(status: number, step: number, batch: number): never {
    const { steps, values } = this.#hoisted.program;
    const one = steps[step];
    const node = one?.node;
    const value = values[one?.outputs[0] ?? -1];
    const name = node?.kind === 'apply' ? node.op.name : 'hybridize';
    failed(
      status,
      name,
      (value?.shape ?? []).map(size => at(size, batch)),
      value?.dtype ?? 'float32',
    );
  }

  /** Bytes of the arena at a batch size, and the least that any arrangement of it would take. */
  bytes(batch: number): { readonly arena: number; readonly least: number } {
    const status = session.planBytes(this.#id, batch);
    if (status !== Status.ok) failed(status, 'hybridize', [batch], 'float32');
    return { arena: reals[0] as number, least: reals[1] as number };
  }

  /** How many native calls a run makes, without those that run only when a parameter has changed. */
  get length(): number {
    return this.#hoisted.program.steps.length - this.#hoisted.count;
  }
}
