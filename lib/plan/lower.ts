import { ints, limits, MAX_INPUTS, opcode, Place, reals } from '../native/register.js';
import { add } from '../ops/binary.js';
import { convert } from '../ops/cast.js';
import { type AbstractEvaluator, type Recorder, type ViewStrides, within } from '../ops/context.js';
import { isContiguous, setInt, setReal } from '../ops/invoke.js';
import type { AnyOp, Operand, Signature } from '../ops/op.js';
import type { Generator } from '../random/generator.js';
import type { DType } from '../tensor/dtype.js';
import { areContiguous, contiguousStrides, sizeOf } from '../tensor/shape.js';
import { internals, type PassState, type Tensor } from '../tensor/tensor.js';
import type { Owner } from '../trace/shape-pass.js';
import type { Applied, Differentiated, Result, RowsResult, TracedNode } from '../trace/trace.js';
import type { Graph } from './graph.js';
import type { Draw, Output, Placement, Program, Step, StepKind, Value } from './program.js';

/** How a value lies in its storage: strides as far as they are known, and the value that has the storage. */
interface Layout {
  readonly id: number;
  readonly root: number;
  readonly strides: readonly number[] | null;
}

/**
 * Turns a graph into native calls: each operation runs as ever, but what it would call is taken down. Its tensors are
 * abstract ones of its own.
 */
class Lowering implements Recorder, AbstractEvaluator, PassState {
  readonly values: Value[] = [];
  readonly steps: Step[] = [];
  readonly held: Owner[] = [];
  readonly #layouts = new Map<Tensor, Layout>();
  #draw: Draw | null = null;
  #node: TracedNode | null = null;

  constructor(private readonly graph: Graph) {
    graph.inputs.forEach((t, i) => {
      this.#define(t, 'input', i, graph.strided.has(t) ? null : contiguousStrides(t.shape));
    });
  }

  #define(t: Tensor, origin: Value['origin'], index: number, strides: readonly number[] | null, root?: number): Layout {
    const id = this.values.push({ origin, index, shape: t.shape, dtype: t.dtype }) - 1;
    const layout = { id, root: root ?? id, strides };
    this.#layouts.set(t, layout);
    return layout;
  }

  #layoutOf(t: Tensor): Layout {
    const known = this.#layouts.get(t);
    if (known !== undefined) return known;
    const owner = this.graph.held.get(t) ?? { data: () => t, isTensor: true };
    const strides =
      internals.isAbstract(t) || !internals.isView(t) || isContiguousNow(t) ? contiguousStrides(t.shape) : null;
    return this.#define(t, 'held', this.held.push(owner) - 1, strides);
  }

  #tensor(shape: readonly number[], dtype: DType): Tensor {
    return internals.createAbstract(this, shape, dtype);
  }

  #add(code: number, kind: StepKind, inputs: readonly Operand[], scalarDType: DType, outputs: readonly number[]): void {
    const [intArguments, realArguments] = takeArguments();
    if (inputs.length > MAX_INPUTS) throw new Error(`latent: ${inputs.length} inputs for one native call`);
    this.steps.push({
      code,
      kind,
      inputs: inputs.map(input => (typeof input === 'number' ? -1 : this.#layoutOf(input).id)),
      numbers: inputs.map(input => (typeof input === 'number' ? input : 0)),
      scalarDType,
      outputs,
      ints: intArguments,
      reals: realArguments,
      draw: this.#draw,
      node: this.#node,
    });
    this.#draw = null;
  }

  make(
    code: number,
    inputs: readonly Operand[],
    shapes: readonly (readonly number[])[],
    dtype: DType,
    scalarDType: DType,
  ): Tensor[] {
    for (const input of inputs) if (typeof input !== 'number') this.#layoutOf(input);
    const made = shapes.map(shape => this.#tensor(shape, dtype));
    const ids = made.map(t => this.#define(t, 'made', -1, contiguousStrides(t.shape)).id);
    this.#add(code, 'new', inputs, scalarDType, ids);
    return made;
  }

  view<A>(code: number, input: Tensor, shape: readonly number[], stridesOf: ViewStrides<A>, attrs: A): Tensor {
    const { root, strides } = this.#layoutOf(input);
    const seen = strides === null ? null : stridesOf(strides, input.shape, shape, attrs);
    const t = this.#tensor(shape, input.dtype);
    const { id } = this.#define(t, 'made', -1, seen, root);
    this.#add(code, 'view', [input], input.dtype, [id]);
    return t;
  }

  into(code: number, inputs: readonly Operand[], target: Tensor): void {
    this.#add(code, 'into', inputs, target.dtype, [this.#layoutOf(target).id]);
  }

  isContiguous(t: Tensor): boolean | undefined {
    const known = this.#layouts.get(t);
    if (known === undefined && !internals.isAbstract(t)) return undefined;
    const layout = known ?? this.#layoutOf(t);
    return layout.strides !== null && areContiguous(t.shape, layout.strides);
  }

  draw(generator: object, perBlock: number): void {
    this.#draw = { generator: generator as Generator, perBlock };
  }

  // An operation may be made of others.
  evaluate(signature: Signature, op: AnyOp, inputs: readonly Operand[], attrs: unknown): Tensor {
    return op.run(inputs, attrs, signature, null);
  }

  create(_signature: Signature, make: () => Tensor): Tensor {
    return make();
  }

  constant(): never {
    throw new Error('latent: an operation made a tensor of numbers while it was lowered');
  }

  alias(t: Tensor): Tensor {
    return t;
  }

  write(target: Tensor): never {
    return this.refuseWrite(target);
  }

  refuseWrite(_t: Tensor): never {
    throw new Error('latent: an operation wrote to a tensor while it was lowered');
  }

  refuseRead(what: string): never {
    throw new Error(`latent: ${what} while an operation was lowered`);
  }

  /** The calls of one node of the graph. */
  lower(node: TracedNode): void {
    this.#node = node;
    if (node.kind === 'write') {
      this.into(COPY, [node.source], node.target);
      return;
    }
    if (node.kind === 'gradient') {
      this.#differentiate(node);
      return;
    }
    const work: Tensor[] | null = node.kind === 'apply' && node.work.length > 0 ? [] : null;
    const made =
      node.kind === 'make'
        ? node.make()
        : node.op.run(node.inputs, node.attrs, { shape: node.output.shape, dtype: node.output.dtype }, work);
    this.#layouts.set(node.output, this.#layoutOf(made));
    work?.forEach((t, i) => {
      this.#layouts.set((node as Applied).work[i] as Tensor, this.#layoutOf(t));
    });
  }

  #differentiate({ run, g, before, outputs }: Differentiated): void {
    // A target that is not contiguous is added to after the operation.
    const taken = before.map(t => (t !== null && this.isContiguous(t) === true ? t : null));
    const results = run(g, taken);
    outputs.forEach((output, i) => {
      if (output === null) return;
      const [result, earlier] = [results[i] as Tensor, before[i] ?? null];
      const whole = earlier === null || taken[i] !== null ? result : add(earlier, result);
      this.#layouts.set(output, this.#layoutOf(whole));
    });
  }

  /** Writes a value into a tensor that outlives the graph: at once where it can be made there. */
  place(result: Result | RowsResult, taken: Set<number>): Placement[] {
    if ('slices' in result) {
      this.#addRows(result);
      return [];
    }
    const { target, value } = result;
    const { id, root } = this.#layoutOf(value);
    const standIn = [...this.graph.held].find(([, owner]) => owner === target)?.[0];
    const isFree = standIn === undefined && id === root && this.values[id]?.origin === 'made' && !taken.has(root);
    if (isFree) {
      taken.add(root);
      return [{ value: id, held: this.held.push(target) - 1 }];
    }
    const t = standIn ?? this.#tensor(value.shape, value.dtype);
    if (standIn === undefined) this.#define(t, 'held', this.held.push(target) - 1, contiguousStrides(t.shape));
    this.into(COPY, [value], t);
    return [];
  }

  /** As lib/autograd/rows.ts does it. */
  #addRows({ target, marks, signature, slices }: RowsResult): void {
    const held = (owner: Owner, shape: readonly number[], dtype: DType): Tensor => {
      const t = this.#tensor(shape, dtype);
      this.#define(t, 'held', this.held.push(owner) - 1, contiguousStrides(shape));
      return t;
    };
    const grad = held(target, signature.shape, signature.dtype);
    const marked = held(marks, signature.shape.slice(0, 1), 'uint8');
    this.into(CLEAR_ROWS, [marked], grad);
    setReal(0, 0);
    this.into(FILL, [], marked);
    for (const { indices, g } of slices) {
      setInt(0, 0);
      this.into(ADD_SLICES, [g, indices], grad);
      this.into(MARK_ROWS, [indices], marked);
    }
  }

  /** Where an output comes from; what is no storage of its own, whole and contiguous, is copied. */
  output(t: Tensor, taken: Set<number>): Output {
    const { id, root, strides } = this.#layoutOf(t);
    const value = this.values[id] as Value;
    if (value.origin !== 'made') return { from: value.origin, index: value.index };
    const source = this.values[root] as Value;
    const isWhole =
      source.origin === 'made' &&
      strides !== null &&
      areContiguous(t.shape, strides) &&
      sizeOf(source.shape) === sizeOf(t.shape) &&
      !taken.has(root);
    if (!isWhole) return this.output(convert(t, t.dtype), taken);
    taken.add(root);
    return { from: 'made', index: id };
  }
}

const [COPY = -1, FILL = -1, CLEAR_ROWS = -1, ADD_SLICES = -1, MARK_ROWS = -1] = [
  'copy',
  'fill',
  'clearRows',
  'addSlices',
  'markRows',
].map(name => opcode(name));

/** Takes the arguments of a call out of the register and clears it: the next call would read what is left there. */
function takeArguments(): [number[], number[]] {
  const take = (from: Int32Array | Float64Array, at: number, count: number): number[] => {
    let length = count;
    while (length > 0 && Object.is(from[at + length - 1], 0)) length--;
    const taken = Array.from(from.subarray(at, at + length));
    from.fill(0, at, at + count);
    return taken;
  };
  return [take(ints, Place.ints, limits.intArguments), take(reals, Place.reals, limits.realArguments)];
}

const isContiguousNow = (t: Tensor): boolean => within({ recorder: null }, () => isContiguous(t));

/** The native calls that compute a graph, in its order. */
export function lower(graph: Graph): Program {
  const lowering = new Lowering(graph);
  return within({ abstract: lowering, tape: null, recorder: lowering }, () => {
    takeArguments();
    for (const node of graph.nodes) lowering.lower(node);
    const taken = new Set<number>();
    const outputs = graph.outputs.map(t => lowering.output(t, taken));
    const placements = graph.results.flatMap(result => lowering.place(result, taken));
    const { held, values, steps } = lowering;
    return { inputCount: graph.inputs.length, held, values, steps, outputs, placements };
  });
}
