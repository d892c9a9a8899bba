import type { Operand } from '../ops/op.js';
import type { Graph } from '../plan/graph.js';
import type { Tensor } from '../tensor/tensor.js';
import type { Owner } from '../trace/shape-pass.js';
import { dataTypeOf } from './elements.js';
import { Call, Emitter, type Known, type Surroundings } from './emitter.js';
import { modelBytes } from './file.js';
import {
  BatchDependent,
  checkBatchOfOne,
  type FreeGraph,
  type FreeMake,
  type FreeNode,
  type FreeValue,
  freeGraph,
  isValue,
  NotExportable,
  type Seen,
} from './free-graph.js';
import { type Producers, readsOf } from './idioms.js';
import type { Linear } from './linear.js';
import { exporters } from './operators/index.js';
import type { Init, ValueInfo } from './schema.js';
import { GraphWriter } from './writer.js';

/** The version of the operators, and of the format around them that came with it. */
export const OPSET = 17;
const IR_VERSION = 8;

/** Under which the file names its parameters; all else that stands in it is a constant. */
export const PARAMETERS = 'latent.parameters';
/** Under which it names those that no training changes. */
export const FROZEN = 'latent.frozen';

/** The net that is written, and its name in messages. */
export interface Subject {
  readonly title: string;
  /** The path and state of a parameter; null for what is none. */
  parameter(owner: Owner): { readonly path: string; readonly isFrozen: boolean } | null;
  /** The path of what ran. */
  path(running: unknown): string;
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
}

/**
 * The bytes of a model, in pieces. `one`: the forward of a batch of 1, where the batch size is open. Raises NotExportable.
 */
export function writeModel(seen: readonly Seen[], one: Graph | null, subject: Subject): readonly Uint8Array[] {
  const graph = freeGraph(seen);
  if (one !== null) checkBatchOfOne(graph, (seen[0] as Seen).graph, one);
  const batchFrom = graph.inputs.findIndex(({ shape }) => shape[0]?.slope === 1 && shape[0].base === 0);
  const writer = new GraphWriter(batchFrom < 0 ? null : (subject.inputNames[batchFrom] as string));
  for (const name of [...subject.inputNames, ...subject.outputNames]) writer.unique(name);
  const values = new Values(graph, subject, writer);
  const emitter = new Emitter(writer, values);
  graph.inputs.forEach((value, i) => {
    emitter.define(value, subject.inputNames[i] as string);
  });
  for (const node of values.live()) {
    writer.scope = subject.path(node.owner);
    const call = new Call(node, graph.line);
    const emit = exporters.get(call.name) ?? call.refuse(`uses '${call.name}', which ONNX has no operator for`);
    const name = emit(emitter, call);
    if (name !== null) emitter.define(node.output, name);
  }
  writer.scope = '';
  // A node's result goes by the name of the first output that it is; other outputs are copies.
  const renamed = new Map<string, string>();
  graph.outputs.forEach((value, i) => {
    const [inner, wanted] = [emitter.name(value), subject.outputNames[i] as string];
    const given = writer.nodes.some(node => node.opType !== 'Constant' && (node.output as string[]).includes(inner));
    if (given) {
      writer.rename(inner, wanted);
      renamed.set(inner, wanted);
    } else {
      const input = [renamed.get(inner) ?? inner];
      writer.nodes.push({ opType: 'Identity', name: writer.unique('Identity'), input, output: [wanted] });
    }
  });
  const info = (names: readonly string[], list: readonly FreeValue[]): Init<ValueInfo>[] =>
    list.map((value, i) => valueInfo(names[i] as string, value));
  const listed = (key: string, names: readonly string[]) => ({ key, value: JSON.stringify(names) });
  const parameters = writer.initializers.map(({ name }) => name);
  const model = {
    irVersion: BigInt(IR_VERSION),
    producerName: 'latent',
    opsetImport: [{ domain: '', version: BigInt(OPSET) }],
    metadataProps: [
      listed(PARAMETERS, parameters),
      ...(values.frozen.length === 0 ? [] : [listed(FROZEN, values.frozen)]),
    ],
  };
  const written = {
    name: subject.title,
    node: writer.nodes,
    input: info(subject.inputNames, graph.inputs),
    output: info(subject.outputNames, graph.outputs),
  };
  return modelBytes(model, written, writer.initializers);
}

function dimension({ base, slope }: Linear): { dimValue: bigint } | { dimParam: string } {
  if (slope === 0) return { dimValue: BigInt(base) };
  const scaled = slope === 1 ? 'batch' : `${slope}*batch`;
  return { dimParam: base === 0 ? scaled : `${scaled}${base < 0 ? '' : '+'}${base}` };
}

function valueInfo(name: string, { shape, dtype }: FreeValue): Init<ValueInfo> {
  return { name, type: { tensorType: { elemType: dataTypeOf(dtype), shape: { dim: shape.map(dimension) } } } };
}

/** The values of a graph that are known before it runs. */
class Values implements Surroundings {
  readonly producers: Producers;
  /** The names of parameters that no training changes. */
  readonly frozen: string[] = [];
  readonly #known = new Map<FreeValue, Known | null>();
  readonly #constant = new Set<FreeValue>();

  constructor(
    private readonly graph: FreeGraph,
    private readonly subject: Subject,
    private readonly writer: GraphWriter,
  ) {
    this.producers = new Map(graph.nodes.map(node => [node.output, node]));
    this.#findConstants();
  }

  /** The operations that the outputs depend on and whose results depend on an input or a parameter. */
  live(): FreeNode[] {
    const wanted = new Set(this.graph.outputs);
    const kept: FreeNode[] = [];
    for (const node of this.graph.nodes.toReversed()) {
      if (!('op' in node) || !wanted.has(node.output) || this.#isConstant(node.output)) continue;
      for (const value of readsOf(node, this.producers)) wanted.add(value);
      kept.push(node);
    }
    const idle = this.graph.inputs.findIndex(value => !wanted.has(value));
    if (idle >= 0)
      throw new NotExportable(
        `does nothing with its input '${this.subject.inputNames[idle]}'; leave it out of inputShape`,
        null,
      );
    return kept.reverse();
  }

  outside(value: FreeValue): string {
    const owner = this.graph.held.get(value);
    const parameter = owner === undefined ? null : this.subject.parameter(owner);
    if (owner !== undefined && parameter !== null) {
      const name = this.writer.initializer(parameter.path, owner.data());
      if (parameter.isFrozen) this.freeze(name);
      return name;
    }
    const known = this.known(value);
    if (known !== null) return this.writer.constant(known.tensor);
    const node = this.producers.get(value);
    if (node === undefined || 'op' in node)
      throw new BatchDependent('takes a constant that has the size of the batch', node?.owner);
    return this.#filled(node);
  }

  known(value: FreeValue): Known | null {
    // A list of what is to be done, for a net may be deep.
    const open = [value];
    while (open.length > 0) {
      const next = open.at(-1) as FreeValue;
      const missing = this.#known.has(next) ? [] : this.#neededFor(next).filter(one => !this.#known.has(one));
      if (missing.length > 0) {
        open.push(...missing);
        continue;
      }
      open.pop();
      if (!this.#known.has(next)) this.#known.set(next, this.#compute(next));
    }
    return this.#known.get(value) ?? null;
  }

  #neededFor(value: FreeValue): FreeValue[] {
    const node = this.producers.get(value);
    const isOpen = value.shape.some(({ slope }) => slope !== 0);
    return isOpen || node === undefined || !('op' in node) ? [] : node.inputs.filter(isValue);
  }

  freeze(name: string): void {
    this.frozen.push(name);
  }

  isZero(value: FreeValue): boolean {
    const node = this.producers.get(value);
    if (node === undefined || 'op' in node || node.draws) return false;
    return uniform(node.make()) === 0;
  }

  #compute(value: FreeValue): Known | null {
    if (value.shape.some(({ slope }) => slope !== 0) || value.from === 'input') return null;
    const owner = this.graph.held.get(value);
    if (owner !== undefined) {
      const parameter = this.subject.parameter(owner);
      const parameters = parameter === null ? [] : [parameter.path];
      return { tensor: owner.data(), parameters, isFrozen: parameter?.isFrozen ?? true };
    }
    const node = this.producers.get(value) as FreeNode | FreeMake;
    if (!('op' in node)) {
      this.#checkNotDrawn(node);
      return { tensor: node.make(), parameters: [], isFrozen: true };
    }
    const operands: Operand[] = [];
    const parameters = new Set<string>();
    let isFrozen = true;
    for (const operand of node.inputs) {
      const known = isValue(operand) ? this.known(operand) : operand.slope === 0 ? operand.base : null;
      if (known === null) return null;
      operands.push(typeof known === 'number' ? known : known.tensor);
      if (typeof known === 'number') continue;
      for (const path of known.parameters) parameters.add(path);
      isFrozen &&= known.isFrozen;
    }
    const signature = { shape: value.shape.map(size => size.base), dtype: value.dtype };
    return { tensor: node.op.run(operands, node.attrs[0], signature, null), parameters: [...parameters], isFrozen };
  }

  /** Whether neither an input nor a parameter has a part in a value, nor the batch size. */
  #isConstant(value: FreeValue): boolean {
    if (value.shape.some(({ slope }) => slope !== 0) || value.from === 'input') return false;
    const owner = this.graph.held.get(value);
    return owner === undefined ? this.#constant.has(value) : this.subject.parameter(owner) === null;
  }

  /** The nodes that make constants, in the order in which they run. */
  #findConstants(): void {
    for (const node of this.graph.nodes) {
      const isMade =
        !('op' in node) ||
        node.inputs.every(operand => (isValue(operand) ? this.#isConstant(operand) : operand.slope === 0));
      if (isMade) this.#constant.add(node.output);
    }
  }

  /** One value throughout a shape that depends on the batch. */
  #filled(node: FreeMake): string {
    this.#checkNotDrawn(node);
    const value = uniform(node.make());
    if (value === null) throw new BatchDependent('makes a tensor of other values for each batch size', node.owner);
    const { shape, dtype } = node.output;
    return this.writer.node('Expand', [this.writer.filled(value, dtype), this.writer.sizes(shape)]);
  }

  #checkNotDrawn({ draws, owner }: FreeMake): void {
    if (draws) throw new NotExportable('draws random numbers, which a file would draw otherwise', owner);
  }
}

/** The one value that a tensor has throughout, if it has. */
function uniform(t: Tensor): number | null {
  const values = t.toTypedArray() as ArrayLike<number>;
  for (let i = 1; i < values.length; i++) if (!Object.is(values[i], values[0])) return null;
  return values[0] ?? 0;
}
