import { isDeepStrictEqual } from 'node:util';
import type { Operand } from '../ops/op.js';
import type { Graph } from '../plan/graph.js';
import type { Owner } from '../trace/shape-pass.js';
import { dataTypeOf } from './elements.js';
import { Call, Emitter, hasFixedAttrs, type Known, type Surroundings } from './emitter.js';
import { modelBytes } from './file.js';
import {
  type FreeGraph,
  type FreeMake,
  type FreeNode,
  type FreeValue,
  fillOf,
  freeGraph,
  isValue,
  NotExportable,
  SizeDependent,
  sequenceOf,
} from './free-graph.js';
import { type Producers, readsOf } from './idioms.js';
import { exporters } from './operators/index.js';
import type { Init, ValueInfo } from './schema.js';
import { isKnown, type OpenSizes, type Size } from './sizes.js';
import { checkSingle, type Single } from './small-sizes.js';
import { GraphWriter } from './writer.js';

/** The version of the operators, and of the format around them that came with it. */
export const OPSET = 17;
const IR_VERSION = 8;

/** The tool that a file names as its maker. */
export const PRODUCER = 'latent';

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

/** The bytes of a model, in pieces, from its forward's graphs at the points that were tried. Raises NotExportable. */
export function writeModel(
  open: OpenSizes,
  graphs: readonly Graph[],
  singles: readonly Single[],
  subject: Subject,
): readonly Uint8Array[] {
  const graph = freeGraph(graphs);
  for (const single of singles) checkSingle(graph, open, graphs[0] as Graph, single);
  const writer = new GraphWriter(open);
  for (const name of [...subject.inputNames, ...subject.outputNames]) writer.unique(name);
  const values = new Values(graph, subject, writer);
  const emitter = new Emitter(writer, values);
  graph.inputs.forEach((value, i) => {
    emitter.define(value, subject.inputNames[i] as string);
  });
  for (const node of values.live()) {
    writer.scope = subject.path(node.owner);
    writer.owner = node.owner;
    const call = new Call(node);
    const emit = exporters.get(call.name) ?? call.refuse(`uses '${call.name}', which ONNX has no operator for`);
    const name = emit(emitter, call);
    if (name !== null) emitter.define(node.output, name);
  }
  writer.scope = '';
  writer.owner = null;
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
    list.map((value, i) => valueInfo(names[i] as string, value, open));
  const listed = (key: string, names: readonly string[]) => ({ key, value: JSON.stringify(names) });
  const parameters = writer.initializers.map(({ name }) => name);
  const model = {
    irVersion: BigInt(IR_VERSION),
    producerName: PRODUCER,
    opsetImport: [
      { domain: '', version: BigInt(OPSET) },
      ...[...writer.domains].map(domain => ({ domain, version: 1n })),
    ],
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

function valueInfo(name: string, { shape, dtype }: FreeValue, open: OpenSizes): Init<ValueInfo> {
  const dim = shape.map(size => {
    if (isKnown(size)) return { dimValue: BigInt(size.at[0] as number) };
    const text = open.text(size);
    return text === null ? {} : { dimParam: text };
  });
  return { name, type: { tensorType: { elemType: dataTypeOf(dtype), shape: { dim } } } };
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
    const [owner] = this.graph.held.get(value) ?? [];
    const parameter = owner === undefined ? null : this.subject.parameter(owner);
    if (owner !== undefined && parameter !== null) {
      const name = this.writer.initializer(parameter.path, owner.data());
      if (parameter.isFrozen) this.freeze(name);
      return name;
    }
    const known = this.known(value);
    if (known !== null) return this.writer.constant(known.tensor);
    const node = this.producers.get(value);
    return node === undefined || 'op' in node ? this.#counted(value, node?.owner) : this.#filled(node);
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
    return !value.shape.every(isKnown) || node === undefined || !('op' in node) ? [] : node.inputs.filter(isValue);
  }

  freeze(name: string): void {
    this.frozen.push(name);
  }

  isZero(value: FreeValue): boolean {
    const node = this.producers.get(value);
    if (node === undefined || 'op' in node || node.draws) return false;
    const fill = fillOf(node);
    return fill !== null && isKnown(fill) && fill.at[0] === 0;
  }

  #compute(value: FreeValue): Known | null {
    if (!value.shape.every(isKnown) || value.from === 'input') return null;
    const [owner] = this.graph.held.get(value) ?? [];
    if (owner !== undefined) {
      const parameter = this.subject.parameter(owner);
      const parameters = parameter === null ? [] : [parameter.path];
      return { tensor: owner.data(), parameters, isFrozen: parameter?.isFrozen ?? true };
    }
    const node = this.producers.get(value) as FreeNode | FreeMake;
    if (!isFixed(node)) return null;
    if (!('op' in node)) {
      this.#checkNotDrawn(node);
      return { tensor: (node.makes[0] as FreeMake['makes'][0])(), parameters: [], isFrozen: true };
    }
    const operands: Operand[] = [];
    const parameters = new Set<string>();
    let isFrozen = true;
    for (const operand of node.inputs) {
      const known = isValue(operand) ? this.known(operand) : isKnown(operand) ? (operand.at[0] as number) : null;
      if (known === null) return null;
      operands.push(typeof known === 'number' ? known : known.tensor);
      if (typeof known === 'number') continue;
      for (const path of known.parameters) parameters.add(path);
      isFrozen &&= known.isFrozen;
    }
    const signature = { shape: value.shape.map(({ at }) => at[0] as number), dtype: value.dtype };
    return { tensor: node.op.run(operands, node.attrs[0], signature, null), parameters: [...parameters], isFrozen };
  }

  /** Whether neither an input nor a parameter has a part in a value, nor an open size. */
  #isConstant(value: FreeValue): boolean {
    if (!value.shape.every(isKnown) || value.from === 'input') return false;
    const [owner] = this.graph.held.get(value) ?? [];
    return owner === undefined ? this.#constant.has(value) : this.subject.parameter(owner) === null;
  }

  /** The nodes that make constants, in the order in which they run. */
  #findConstants(): void {
    for (const node of this.graph.nodes) {
      const inputs = 'op' in node ? node.inputs : [];
      const isMade = inputs.every(operand => (isValue(operand) ? this.#isConstant(operand) : isKnown(operand)));
      if (isMade && isFixed(node)) this.#constant.add(node.output);
    }
  }

  /** One value throughout, where it or the shape depends on open sizes. */
  #filled(node: FreeMake): string {
    this.#checkNotDrawn(node);
    const value = fillOf(node);
    if (value === null) throw new SizeDependent('makes a tensor of other values at other sizes', node.owner);
    const { shape, dtype } = node.output;
    return this.writer.node('Expand', [this.writer.number(value, dtype), this.writer.sizes(shape)]);
  }

  /** A constant whose size is open: numbers that follow each other by one step. */
  #counted(value: FreeValue, by: unknown): string {
    const sequence = sequenceOf(this.graph.held.get(value) ?? []);
    if (sequence === null) throw new SizeDependent('takes a constant whose size is open', by);
    return this.writer.counted(value.shape[0] as Size, sequence.start, sequence.step, value.dtype);
  }

  #checkNotDrawn({ draws, owner }: FreeMake): void {
    if (draws) throw new NotExportable('draws random numbers, which a file would draw otherwise', owner);
  }
}

/** Whether a node does the same at all sizes, but for the shapes of what it is given. */
function isFixed(node: FreeNode | FreeMake): boolean {
  if ('op' in node) return hasFixedAttrs(node);
  if (node.draws || node.makes.length === 1) return true;
  const fill = fillOf(node);
  if (fill !== null) return isKnown(fill);
  const [first, ...others] = node.makes.map(make => make().toTypedArray());
  return others.every(other => isDeepStrictEqual(other, first));
}
