import { ArgumentError, DTypeError, FormatError, LatentError, ShapeError, ValueError } from '../errors.js';
import { parseFlat } from '../files/json.js';
import { cast, clone } from '../ops/cast.js';
import { type DType, isFloat } from '../tensor/dtype.js';
import { sizeOf } from '../tensor/shape.js';
import { isTensor, type Tensor } from '../tensor/tensor.js';
import { decodeMessage } from './codec.js';
import { dtypeOf, elementName } from './elements.js';
import { carrierOf, fixedKind, fixedLongKind, type Kind, Kinds, tensorKind, tensorOfTable } from './kind.js';
import { importers } from './operators/index.js';
import { constantOf } from './read-constant.js';
import { readTensor } from './read-tensor.js';
import { type Given, Inputs, isTable, NodeReader, type Operator } from './reader.js';
import { Reasons } from './reasons.js';
import { scan } from './scan.js';
import { DataType, type Graph, type Model, type Node, type TensorData, type ValueInfo } from './schema.js';
import type { Table } from './table.js';
import { type Use, Uses } from './weights.js';
import { FROZEN, PARAMETERS, PRODUCER } from './write.js';

/** The versions of the operators whose meaning here is the same. */
const OPSETS = [13, 17] as const;

// Heap that a whole number of eight bytes takes in a tensor and in a table, measured.
const LONG_BYTES = 12;
const TABLE_BYTES = 48;

/** An input as a file declares it: -1 for sizes that it leaves open. */
export interface DeclaredInput {
  readonly name: string;
  readonly dtype: DType;
  /** null where the file says nothing of it. */
  readonly shape: readonly number[] | null;
  /** Of a file that this library wrote: the names of open sizes by axis, '' for none; those of one name are the same. */
  readonly names: readonly string[];
}

interface Step {
  readonly run: Operator['run'];
  readonly where: string;
  readonly kinds: Kinds;
  readonly results: readonly Kind[];
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** The values that no later node reads. */
  readonly last: readonly string[];
}

/** A parameter of a file. */
export interface Weight extends Use {
  readonly name: string;
  readonly dtype: DType;
}

/** The program of a file. */
export interface Program {
  readonly title: string;
  readonly inputs: readonly DeclaredInput[];
  readonly outputs: readonly string[];
  readonly weights: readonly Weight[];
  /** The results for inputs in order, with the values that parameters have now. */
  run(inputs: readonly Tensor[], weight: (name: string) => Tensor): Tensor[];
}

/** The content of a file: its program, and the first values of its parameters by name, which are the caller's. */
export interface ReadModel {
  readonly program: Program;
  readonly values: ReadonlyMap<string, Tensor>;
}

/**
 * Reads a model. `what` is how messages call it, `isTaken` says which names no parameter may have. Raises FormatError with all
 * that is wrong. The memory that it takes depends only on what the file holds.
 */
export function readModel(bytes: Uint8Array, what: string, isTaken: (name: string) => boolean): ReadModel {
  const begin = `${what} is no ONNX model that can be read`;
  const heap = scan('Model', bytes);
  if (typeof heap === 'string') throw new FormatError(`${begin}: ${heap}`);
  let model: Model;
  try {
    model = decodeMessage('Model', bytes);
  } catch (cause) {
    throw new FormatError(`${begin}: ${(cause as Error).message}`, { cause });
  }
  if (model.graph === undefined) throw new FormatError(`${begin}: it has no graph`);
  const reader = new GraphReader(model.graph, model, isTaken, heap);
  const read = reader.read();
  reader.reasons.check(begin);
  return read;
}

/** The kind of a value while a graph is read; null where the node that makes it is refused already. */
type Known = Kind | null;

class GraphReader {
  /** The faults of the file. */
  readonly reasons = new Reasons();
  readonly #kinds = new Map<string, Known>();
  /** Values before any node has run. */
  readonly #known = new Map<string, Tensor | Table>();
  /** Values that stand in the file, in the order in which it has them. */
  readonly #constants = new Map<string, Tensor | Table>();
  #uses: ReadonlyMap<string, Use> = new Map();
  /** Those of the constants that are of int64. */
  readonly #longs = new Set<string>();

  constructor(
    private readonly graph: Graph,
    private readonly model: Model,
    private readonly isTaken: (name: string) => boolean,
    /** How many bytes of it whole numbers of eight bytes may take; below 0 once there are too many. */
    private heap: number,
  ) {}

  read(): ReadModel {
    const { graph, model } = this;
    const opset = model.opsetImport.find(({ domain }) => domain === '' || domain === 'ai.onnx');
    if (opset === undefined || opset.version < OPSETS[0] || opset.version > OPSETS[1])
      this.reasons.add(
        `its operators are of version ${opset?.version ?? 'none'}; known are ${OPSETS[0]} to ${OPSETS[1]}; export it with opset version ${OPSETS[1]}`,
      );
    if (model.functions.length > 0) this.reasons.add('it defines functions of its own');
    if (graph.sparseInitializer.length > 0) this.reasons.add('it has sparse tensors');
    this.#readConstants();
    const given = graph.input.filter(({ name }) => name === '' || !this.#kinds.has(name));
    const inputs = given.flatMap(input => this.#attempt(() => [this.#input(input)]) ?? []);
    const steps = graph.node.flatMap(node => this.#step(node) ?? []);
    const outputs = graph.output.map(({ name }) => {
      this.#attempt(() => this.#output(name));
      return name;
    });
    if (outputs.length === 0) this.reasons.add('it has no outputs');
    const known = this.#known;
    const values = new Map([...this.#uses.keys()].map(name => [name, this.#constants.get(name) as Tensor]));
    const running: Running = {
      inputs,
      outputs,
      kinds: outputs.map(name => this.#kinds.get(name) as Kind),
      weights: [...this.#uses].map(([name, use]) => ({ name, dtype: (values.get(name) as Tensor).dtype, ...use })),
      known,
      own: new Set<Given>(known.values()),
      steps: withLast(steps, new Set(outputs)),
    };
    return { program: programOf(graph.name, running), values };
  }

  /** Runs `body`; null where it refuses, which counts as a fault of the file. */
  #attempt<T>(body: () => T): T | null {
    try {
      return body();
    } catch (error) {
      if (!(error instanceof LatentError)) throw error;
      this.reasons.add(error.message);
      return null;
    }
  }

  /** Gives a value its name, once. */
  #define(name: string, by: string, kind: Known): void {
    if (name === '') throw new FormatError(`${by} has no name`);
    if (this.#kinds.has(name)) throw new FormatError(`two values are called '${name}'`);
    this.#kinds.set(name, kind);
  }

  /** The values that stand in the file, of initializers and of nodes alike, and which of them are parameters. */
  #readConstants(): void {
    const read = (name: string, data: TensorData, what: string): void => {
      if (name === '') throw new FormatError(`${what}: its result has no name`);
      const { value, isLong } = readTensor(data, what);
      if (isLong && !this.#takesLongs(value)) return;
      this.#constants.set(name, value);
      if (isLong) this.#longs.add(name);
    };
    for (const data of this.graph.initializer) {
      this.#attempt(() => {
        this.#define(data.name, 'an initializer', null);
        read(data.name, data, `initializer '${data.name}'`);
      });
    }
    for (const node of this.graph.node) {
      if (node.opType !== 'Constant') continue;
      this.#attempt(() => {
        const where = whereOf(node);
        const reader = new NodeReader(node, where);
        reader.takes(0);
        const data = constantOf(reader);
        reader.finish();
        read(node.output[0] ?? '', data, where);
      });
    }
    this.#uses = this.#attempt(() => this.#findUses()) ?? new Map();
    for (const [name, value] of this.#constants) {
      if (!this.#uses.has(name)) this.#known.set(name, value);
      else if (this.isTaken(name)) this.reasons.add(`a parameter is called '${name}', as a member of every block is`);
    }
    for (const { name } of this.graph.initializer) this.#kinds.set(name, this.#constantKind(name));
  }

  /** Counts whole numbers of eight bytes that would be kept; false from where there are too many on, which is told once. */
  #takesLongs(value: Tensor | Table): boolean {
    if (this.heap < 0) return false;
    this.heap -= sizeOf(value.shape) * (isTensor(value) ? LONG_BYTES : TABLE_BYTES);
    if (this.heap >= 0) return true;
    this.reasons.add(
      'its whole numbers of eight bytes are too many: with its other parts they would take too much heap',
    );
    return false;
  }

  #constantKind(name: string): Known {
    const value = this.#constants.get(name);
    if (value === undefined) return null;
    if (this.#uses.has(name)) return tensorKind((value as Tensor).dtype);
    return this.#longs.has(name) && isTensor(value) ? fixedLongKind(value) : fixedKind(value);
  }

  #findUses(): ReadonlyMap<string, Use> {
    const tensors = new Map([...this.#constants].filter((entry): entry is [string, Tensor] => isTensor(entry[1])));
    const tables = [...this.#constants.keys()].filter(name => !tensors.has(name));
    const { found } = new Uses(this.graph.node, tensors, tables);
    const frozen = new Set(this.#listed(FROZEN) ?? []);
    const own = this.#listed(PARAMETERS);
    // A file that this library wrote says itself what its parameters are.
    const isWeight = (t: Tensor | undefined): boolean => t !== undefined && isFloat(t.dtype) && t.size > 0;
    const names = own?.filter(name => isWeight(tensors.get(name))) ?? [...found.keys()];
    return new Map(
      names.map(name => {
        const use = found.get(name);
        if (own === null) return [name, { ...(use as Use), isFrozen: (use as Use).isFrozen || frozen.has(name) }];
        const role = use?.role ?? 'weight';
        const isStatistic = role === 'runningMean' || role === 'runningVar';
        return [name, { role, isFrozen: isStatistic || frozen.has(name), isLayers: true }];
      }),
    );
  }

  /** The names that an entry of the file lists, null where it has none. */
  #listed(key: string): readonly string[] | null {
    const entry = this.model.metadataProps.find(one => one.key === key);
    if (entry === undefined) return null;
    try {
      const names = parseFlat(entry.value);
      if (Array.isArray(names)) return names.map(String);
    } catch {
      // told below
    }
    throw new FormatError(`its entry '${key}' is no list of names`);
  }

  #input({ name, type }: ValueInfo): DeclaredInput {
    const refuse = (why: string): never => {
      throw new FormatError(`input '${name}' ${why}`);
    };
    this.#define(name, 'an input', null);
    const tensor = type?.tensorType ?? refuse('is no tensor');
    const dtype =
      dtypeOf(tensor.elemType) ??
      refuse(
        `has element type ${elementName(tensor.elemType)}; inputs are of ${Object.keys(DataType)
          .filter(name => name !== 'int64')
          .join(', ')}`,
      );
    this.#kinds.set(name, tensorKind(dtype));
    const dims = tensor.shape?.dim.map(({ dimValue, dimParam }) =>
      dimParam !== '' || dimValue === 0n ? -1 : Number(dimValue),
    );
    // Other tools give one name to sizes that may differ.
    const dim = this.model.producerName === PRODUCER ? (tensor.shape?.dim ?? []) : [];
    return { name, dtype, shape: dims ?? null, names: dim.map(({ dimParam }) => dimParam) };
  }

  #output(name: string): void {
    const kind = this.#kinds.get(name);
    if (kind === undefined) throw new FormatError(`nothing gives its output '${name}'`);
    if (kind !== null) new Kinds([kind], `output '${name}'`).tensor(0);
  }

  /** How a node is run; null for one that is refused, and for a constant, which is known. */
  #step(node: Node): Omit<Step, 'last'> | null {
    const where = whereOf(node);
    const operator = node.opType === 'Constant' ? null : this.#attempt(() => this.#operator(node, where));
    const missing = node.input.find(name => name !== '' && !this.#kinds.has(name));
    if (missing !== undefined)
      this.reasons.add(
        `${where} takes '${missing}', which nothing before it gives: the graph runs in a circle or out of order`,
      );
    const inputs = node.input.map(name => (name === '' ? null : this.#kinds.get(name)));
    const kinds = new Kinds(
      inputs.map(kind => kind ?? null),
      where,
    );
    // Where an input is refused, what depends on its kind cannot be checked.
    const isChecked = operator !== null && !node.input.some((name, i) => name !== '' && inputs[i] == null);
    const results = isChecked ? this.#attempt(() => this.#results(node, operator, kinds, where)) : null;
    node.output.forEach((name, i) => {
      const kind = node.opType === 'Constant' ? this.#constantKind(name) : (results?.[i] ?? null);
      if (name !== '') this.#attempt(() => this.#define(name, `a result of ${where}`, kind));
    });
    if (operator === null || results === null || this.#known.has(node.output[0] ?? '')) return null;
    return { run: operator.run, where, kinds, results, inputs: node.input, outputs: node.output };
  }

  #operator(node: Node, where: string): Operator {
    if (node.domain !== '' && node.domain !== 'ai.onnx')
      throw new FormatError(`${where} is an operator of '${node.domain}', which is not known`);
    const importer = importers.get(node.opType);
    if (importer === undefined) throw new FormatError(`${where} is an operator that is not known`);
    const reader = new NodeReader(node, where);
    const operator = importer(reader);
    reader.finish();
    return operator;
  }

  /** The kinds of a node's results. A table that depends on nothing is worked out at once. */
  #results(node: Node, { gives, run }: Operator, kinds: Kinds, where: string): readonly Kind[] {
    const results = gives(kinds);
    const given = node.input.map(name => this.#known.get(name) ?? null);
    const isSame = node.opType === 'Identity';
    const isFixed = node.input.every((name, i) => name === '' || given[i] !== null);
    if (!isFixed || !(results[0]?.isTable || isSame) || node.opType === 'Shape') return results;
    if (this.heap < 0) return results;
    const [value] = performed({ run, where, kinds, results, inputs: [], outputs: [], last: [] }, given);
    if (!isSame && !this.#takesLongs(value as Table)) return results;
    this.#known.set(node.output[0] ?? '', value as Table);
    return isSame ? results : [fixedKind(value as Table)];
  }
}

/** How messages call a node: by its operator, and its name or else that of its result. */
function whereOf({ opType, name, output }: Node): string {
  return `${opType} '${name === '' ? (output[0] ?? '') : name}'`;
}

/** With each step what it is the last to read. */
function withLast(steps: readonly Omit<Step, 'last'>[], kept: ReadonlySet<string>): Step[] {
  const seen = new Set(kept);
  return steps
    .toReversed()
    .map(step => {
      const last = [...new Set([...step.inputs, ...step.outputs])].filter(name => !seen.has(name));
      for (const name of step.inputs) seen.add(name);
      return { ...step, last };
    })
    .reverse();
}

interface Running {
  readonly inputs: readonly DeclaredInput[];
  readonly outputs: readonly string[];
  /** Of the outputs. */
  readonly kinds: readonly Kind[];
  readonly weights: readonly Weight[];
  readonly known: ReadonlyMap<string, Tensor | Table>;
  /** The kinds of the values so far. */
  readonly own: ReadonlySet<Given>;
  readonly steps: readonly Step[];
}

/** A program that keeps what it runs, and nothing else of its file. */
function programOf(title: string, running: Running): Program {
  const { inputs, outputs, weights } = running;
  return { title, inputs, outputs, weights, run: (given, weight) => run(running, given, weight) };
}

function run(program: Running, given: readonly Tensor[], weight: (name: string) => Tensor): Tensor[] {
  const values = new Map<string, Given>(program.known);
  const weights = new Set<Given>();
  for (const { name } of program.weights) {
    const t = weight(name);
    weights.add(t);
    values.set(name, t);
  }
  program.inputs.forEach(({ name }, i) => {
    values.set(name, given[i] as Tensor);
  });
  for (const step of program.steps) {
    const inputs = step.inputs.map(name => values.get(name) ?? null);
    const results = performed(step, inputs);
    step.outputs.forEach((name, i) => {
      if (name === '') return;
      const result = results[i];
      if (result === undefined) throw new FormatError(`${step.where} has no result ${i}`);
      values.set(name, result);
    });
    for (const name of step.last) values.delete(name);
  }
  return program.outputs.map((name, i) => {
    const value = values.get(name) as Tensor | Table;
    const kind = program.kinds[i] as Kind;
    const t = isTable(value) ? tensorOfTable(value, kind) : value;
    const result = kind.dtype === 'int64' ? (cast(t, carrierOf(kind.range)) as Tensor) : t;
    // The net's own tensors must not be changed or disposed of by others.
    const isOwn = program.own.has(value) || weights.has(value);
    return isOwn && (result === value || result === kind.fixed?.tensor) ? clone(result) : result;
  });
}

/** The classes of errors that mean a bad input. */
const misfits = [ShapeError, DTypeError, ArgumentError, ValueError];

/** Runs a node; errors that its operations raise name it. */
function performed(step: Step, inputs: readonly Given[]): Given[] {
  try {
    return step.run(new Inputs(inputs, step.kinds, step.results));
  } catch (error) {
    const Misfit = misfits.find(one => error instanceof one);
    if (Misfit !== undefined) throw new Misfit(`${step.where}: ${(error as Error).message}`, { cause: error });
    if (!(error instanceof LatentError) || error.code !== 'ERR_LATENT_INTERNAL') throw error;
    const shapes = inputs.map(given => (given === null ? 'none' : `${given.dtype} [${given.shape.join(', ')}]`));
    throw new FormatError(`${step.where} does not fit its inputs: ${shapes.join(', ')}`, { cause: error });
  }
}
