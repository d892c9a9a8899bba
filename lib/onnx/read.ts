import { ArgumentError, DTypeError, FormatError, LatentError, ShapeError, ValueError } from '../errors.js';
import { parseFlat } from '../format/json.js';
import { clone } from '../ops/cast.js';
import type { DType } from '../tensor/dtype.js';
import { isFloat } from '../tensor/dtype.js';
import { isTensor, type Tensor } from '../tensor/tensor.js';
import { dtypeOf } from './elements.js';
import { importers } from './operators/index.js';
import { MOST_LONGS, readTensor } from './read-tensor.js';
import { areLongs, type Given, Inputs, type Longs, NodeReader, type Run } from './reader.js';
import { scan } from './scan.js';
import { decodeMessage, type Graph, type Model, type Node, type TensorData, type ValueInfo } from './schema.js';
import { FROZEN } from './write.js';

/** The versions of the operators whose meaning here is the same. */
const OPSETS = [13, 17] as const;

/** An input as a file declares it: -1 for sizes that it leaves open. */
export interface DeclaredInput {
  readonly name: string;
  readonly dtype: DType;
  /** null where the file says nothing of it. */
  readonly shape: readonly number[] | null;
}

interface Step {
  readonly run: Run;
  readonly where: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** What nobody reads after it. */
  readonly last: readonly string[];
}

/** A parameter of a file. */
export interface Weight {
  readonly name: string;
  readonly dtype: DType;
  readonly role: 'weight' | 'bias' | 'gamma' | 'beta' | 'runningMean' | 'runningVar';
  /** Whether training leaves it as it is. */
  readonly isFrozen: boolean;
}

/** What a file computes. */
export interface Program {
  readonly title: string;
  readonly inputs: readonly DeclaredInput[];
  readonly outputs: readonly string[];
  readonly weights: readonly Weight[];
  /** The results for inputs in order, with the values that parameters have now. */
  run(inputs: readonly Tensor[], weight: (name: string) => Tensor): Tensor[];
}

/** What a file holds: its program, and the first values of its parameters by name, which are the caller's. */
export interface ReadModel {
  readonly program: Program;
  readonly values: ReadonlyMap<string, Tensor>;
}

/** Reads a model. `what` is how messages call it. Raises FormatError; takes memory by what the file holds alone. */
export function readModel(bytes: Uint8Array, what: string): ReadModel {
  const fail = (why: string): never => {
    throw new FormatError(`${what} is no ONNX model that can be read: ${why}`);
  };
  const wrong = scan('Model', bytes);
  if (wrong !== null) fail(wrong);
  let model: Model;
  try {
    model = decodeMessage('Model', bytes);
  } catch (cause) {
    throw new FormatError(`${what} is no ONNX model that can be read: ${(cause as Error).message}`, { cause });
  }
  const { graph } = model;
  if (graph === undefined) return fail('it has no graph');
  const opset = model.opsetImport.find(({ domain }) => domain === '' || domain === 'ai.onnx');
  if (opset === undefined || opset.version < OPSETS[0] || opset.version > OPSETS[1])
    fail(`its operators are of version ${opset?.version ?? 'none'}; known are ${OPSETS[0]} to ${OPSETS[1]}`);
  if (model.functions.length > 0) fail('it defines functions of its own');
  if (graph.sparseInitializer.length > 0) fail('it has sparse tensors');
  const reader = new GraphReader(graph, frozenOf(model, fail), fail);
  return { program: reader.program(), values: reader.values };
}

function frozenOf(model: Model, fail: (why: string) => never): ReadonlySet<string> {
  const entry = model.metadataProps.find(({ key }) => key === FROZEN);
  if (entry === undefined) return new Set();
  try {
    const names = parseFlat(entry.value);
    if (Array.isArray(names)) return new Set(names.map(String));
  } catch {
    // told below
  }
  return fail(`its entry '${FROZEN}' is no list of names`);
}

class GraphReader {
  /** Values before any node has run. */
  readonly #known = new Map<string, Tensor | Longs>();
  readonly #weights: Weight[] = [];
  /** The first values of the weights. */
  readonly values = new Map<string, Tensor>();
  readonly #constants: Given[] = [];
  /** How many whole numbers of eight bytes there are: each takes more here than in the file. */
  #longs = 0;

  constructor(
    private readonly graph: Graph,
    private readonly frozen: ReadonlySet<string>,
    private readonly fail: (why: string) => never,
  ) {}

  program(): Program {
    const { graph } = this;
    const roles = rolesOf(graph.node);
    const names = new Set<string>();
    const define = (name: string, by: string): void => {
      if (name === '') this.fail(`${by} has no name`);
      if (names.has(name)) this.fail(`two values are called '${name}'`);
      names.add(name);
    };
    for (const data of graph.initializer) {
      define(data.name, 'an initializer');
      const values = this.#read(data, `initializer '${data.name}'`);
      if (isTensor(values) && isFloat(values.dtype) && values.size > 0) {
        this.#weights.push(weightOf(data.name, values.dtype, roles.get(data.name) ?? 'weight', this.frozen));
        this.values.set(data.name, values);
      } else this.#known.set(data.name, values);
    }
    const inputs = graph.input
      .filter(({ name }) => !names.has(name))
      .map(input => {
        define(input.name, 'an input');
        return this.#input(input);
      });
    const steps = graph.node.map(node => this.#step(node, names, define));
    const outputs = graph.output.map(({ name }) => {
      if (!names.has(name)) this.fail(`nothing gives its output '${name}'`);
      return name;
    });
    if (outputs.length === 0) this.fail('it has no outputs');
    const weights = this.#weights;
    const known = this.#known;
    const kept = withLast(steps, new Set([...outputs]));
    const own = new Set<Given>([...known.values(), ...this.#constants]);
    return {
      title: graph.name,
      inputs,
      outputs,
      weights,
      run: (given, weight) => run({ inputs, outputs, weights, known, own, steps: kept }, given, weight),
    };
  }

  #read(data: TensorData, what: string): Tensor | Longs {
    const value = readTensor(data, what);
    if (!isTensor(value)) this.#longs += value.longs.length;
    if (this.#longs > MOST_LONGS) this.fail(`it has more than ${MOST_LONGS} whole numbers of eight bytes`);
    return value;
  }

  #input({ name, type }: ValueInfo): DeclaredInput {
    const tensor = type?.tensorType ?? this.fail(`input '${name}' is no tensor`);
    const dtype = dtypeOf(tensor.elemType) ?? this.fail(`input '${name}' has element type ${tensor.elemType}`);
    const dims = tensor.shape?.dim.map(({ dimValue, dimParam }) =>
      dimParam !== '' || dimValue === 0n ? -1 : Number(dimValue),
    );
    return { name, dtype, shape: dims ?? null };
  }

  #step(node: Node, names: ReadonlySet<string>, define: (name: string, by: string) => void): Omit<Step, 'last'> {
    const where = node.name === '' ? node.opType : `${node.opType} '${node.name}'`;
    for (const name of node.input) {
      if (name !== '' && !names.has(name))
        this.fail(
          `${where} takes '${name}', which nothing before it gives: the graph runs in a circle or out of order`,
        );
    }
    if (node.domain !== '' && node.domain !== 'ai.onnx')
      this.fail(`${where} is an operator of '${node.domain}', which is not known`);
    const reader = new NodeReader(node, where);
    const step = node.opType === 'Constant' ? this.#constant(reader, where) : this.#operator(node, reader, where);
    reader.finish();
    for (const name of node.output) if (name !== '') define(name, `a result of ${where}`);
    return { run: step, where, inputs: node.input, outputs: node.output };
  }

  #operator(node: Node, reader: NodeReader, where: string): Run {
    const importer = importers.get(node.opType) ?? this.fail(`${where} is an operator that is not known`);
    return importer(reader);
  }

  #constant(reader: NodeReader, where: string): Run {
    reader.takes(0);
    const value = this.#read(reader.tensor('value') ?? reader.refuse("attribute 'value' is missing"), where);
    this.#constants.push(value);
    return () => [value];
  }
}

const norm = { 1: 'gamma', 2: 'beta' } as const;

/** What the inputs of operators are for, by their places; weights where nothing is said. */
const inputRoles: Readonly<Record<string, Readonly<Record<number, Weight['role']>>>> = {
  Gemm: { 2: 'bias' },
  Conv: { 2: 'bias' },
  ConvTranspose: { 2: 'bias' },
  LSTM: { 3: 'bias' },
  GRU: { 3: 'bias' },
  RNN: { 3: 'bias' },
  LayerNormalization: norm,
  InstanceNormalization: norm,
  BatchNormalization: { ...norm, 3: 'runningMean', 4: 'runningVar' },
};

function rolesOf(nodes: readonly Node[]): Map<string, Weight['role']> {
  const roles = new Map<string, Weight['role']>();
  for (const { opType, input } of nodes)
    for (const [place, role] of Object.entries(inputRoles[opType] ?? {})) roles.set(input[Number(place)] ?? '', role);
  return roles;
}

/** No gradient reaches the statistics of a batch normalization. */
function weightOf(name: string, dtype: DType, role: Weight['role'], frozen: ReadonlySet<string>): Weight {
  return { name, dtype, role, isFrozen: frozen.has(name) || role === 'runningMean' || role === 'runningVar' };
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
  readonly weights: readonly Weight[];
  readonly known: ReadonlyMap<string, Tensor | Longs>;
  /** The constants among the nodes, and what is known. */
  readonly own: ReadonlySet<Given>;
  readonly steps: readonly Step[];
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
  return program.outputs.map(name => {
    const value = values.get(name);
    if (value === null || value === undefined || areLongs(value))
      throw new FormatError(`output '${name}' is no tensor of numbers`);
    // What the net holds itself is nobody's to change or to dispose of.
    return program.own.has(value) || weights.has(value) ? clone(value) : value;
  });
}

/** What operations raise for what they are given. */
const misfits = [ShapeError, DTypeError, ArgumentError, ValueError];

/** Runs a node; errors that its operations raise name it. */
function performed(step: Step, inputs: readonly Given[]): Given[] {
  try {
    return step.run(new Inputs(inputs, step.where));
  } catch (error) {
    const Misfit = misfits.find(one => error instanceof one);
    if (Misfit !== undefined) throw new Misfit(`${step.where}: ${(error as Error).message}`, { cause: error });
    if (!(error instanceof LatentError) || error.code !== 'ERR_LATENT_INTERNAL') throw error;
    const shapes = inputs.map(given => (isTensor(given) ? `${given.dtype} [${given.shape.join(', ')}]` : 'sizes'));
    throw new FormatError(`${step.where} does not fit its inputs: ${shapes.join(', ')}`, { cause: error });
  }
}
