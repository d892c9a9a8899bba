import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type * as Latent from 'latent';

type Library = typeof Latent;
type Tensor = Latent.Tensor;
type Float = 'float32' | 'float64';

/** A tensor as the files hold it: row-major, `dtype` the type of the inputs. */
interface Stored {
  readonly shape: readonly number[];
  readonly dtype: Latent.DType;
  readonly data: readonly number[];
}

type StoredSet = Readonly<Record<string, Stored>>;
type Attrs = Readonly<Record<string, unknown>>;

/** One case of a file; test/golden/README.md says what its fields mean. */
export interface Case {
  readonly name: string;
  readonly attrs: Attrs;
  readonly inputs?: StoredSet;
  readonly params?: StoredSet;
  readonly state?: StoredSet;
  readonly outputs?: StoredSet;
  readonly cotangents?: StoredSet;
  readonly grads?: StoredSet;
  readonly weight?: Stored;
  readonly gradients?: readonly Stored[];
  readonly weightAfterStep?: readonly Stored[];
}

export const floats: readonly Float[] = ['float32', 'float64'];

/** The cases of every .json file of a folder, by the file's name. */
export function readFolder(folder: string): ReadonlyMap<string, readonly Case[]> {
  const files = readdirSync(folder)
    .filter(name => name.endsWith('.json'))
    .sort();
  return new Map(
    files.map(name => {
      const { cases } = JSON.parse(readFileSync(join(folder, name), 'utf8')) as { cases: readonly Case[] };
      return [name, cases];
    }),
  );
}

// ---------- what a case's operation is called here

/** Runs a case's forward; `parameters` are those that the case's params and state go into and gradients come out of. */
interface Runner {
  readonly forward: (inputs: readonly Tensor[]) => unknown;
  readonly parameters: Iterable<readonly [string, Latent.nn.Parameter]>;
  /** What the forward calls, where that is a block. */
  readonly block?: Latent.nn.Block;
}

type Make = (library: Library, attrs: Attrs, c: Case, dtype: Float) => Runner | null;

const notOptions = new Set(['op', 'note', 'training', 'optimizer', 'layout']);

function optionsOf(attrs: Attrs, ...leftOut: string[]): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(attrs).filter(([key, value]) => !notOptions.has(key) && !leftOut.includes(key) && value !== null),
  );
}

/** What the library exports under a name, or undefined; it is asked by name, for it may not be there yet. */
function exported(of: object, name: string): ((...args: unknown[]) => unknown) | undefined {
  const value = (of as Record<string, unknown>)[name];
  return typeof value === 'function' ? (value as (...args: unknown[]) => unknown) : undefined;
}

function construct(of: object, name: string, ...args: unknown[]): unknown {
  const made = exported(of, name);
  return made === undefined ? undefined : Reflect.construct(made, args);
}

/** A block with the case's params in it, found by the last part of their paths. */
function fromBlock(library: Library, block: unknown, c: Case, dtype: Float): Runner | null {
  if (block === undefined) return null;
  const net = block as Latent.nn.Block;
  if (dtype === 'float64') net.cast('float64');
  const inputs = Object.values(c.inputs ?? {});
  const parameters = () => [...net.collectParams()].map(([path, p]) => [path.split('.').at(-1) as string, p] as const);
  net.initialize();
  if (inputs[0] !== undefined && parameters().length > 0)
    net.inferShape([...inputs[0].shape], { dtype: inputs[0].dtype === 'int32' ? 'int32' : dtype });
  const given = { ...c.params, ...c.state };
  for (const [name, p] of parameters()) {
    const stored = given[name];
    if (stored === undefined) throw new Error(`the layer has a parameter '${name}' that the case does not give`);
    p.setData(load(library, stored, dtype));
  }
  return {
    forward: tensors => (net as unknown as (...args: readonly Tensor[]) => unknown)(...tensors),
    parameters: parameters(),
    block: net,
  };
}

function layer(name: string, first?: string, also: (attrs: Attrs) => object = () => ({})): Make {
  return (library, attrs, c, dtype) => {
    const options = { ...optionsOf(attrs, ...(first === undefined ? [] : [first])), ...also(attrs) };
    const args = first === undefined ? [options] : [attrs[first], options];
    return fromBlock(library, construct(library.nn, name, ...args), c, dtype);
  };
}

function lossLayer(name: string): Make {
  return (library, attrs, c, dtype) =>
    fromBlock(library, construct(library.loss, name, optionsOf(attrs)), { ...c, inputs: {} }, dtype);
}

/** A layer over a sequence, called with states, so that it gives its last ones too. */
function recurrentLayer(name: string, also: object = {}): Make {
  return (library, attrs, c, dtype) => {
    const run = layer(name, 'hiddenSize', () => also)(library, attrs, c, dtype);
    if (run === null) return null;
    const [, batch = 0] = c.inputs?.x?.shape ?? [];
    const options = { ...optionsOf(attrs, 'hiddenSize'), ...also, dtype };
    const likewise = construct(library.nn, name, attrs.hiddenSize, options) as Latent.nn.Recurrent;
    return { ...run, forward: tensors => run.forward([tensors[0] as Tensor, likewise.beginState(batch) as never]) };
  };
}

/** Operations that are layers here; all others are functions of the same name, or losses. */
const layers: Readonly<Record<string, Make>> = {
  conv1d: layer('Conv1D', 'channels'),
  conv2d: layer('Conv2D', 'channels'),
  conv3d: layer('Conv3D', 'channels'),
  conv2dTranspose: layer('Conv2DTranspose', 'channels'),
  maxPool2d: layer('MaxPool2D'),
  avgPool2d: layer('AvgPool2D'),
  globalAvgPool2d: layer('GlobalAvgPool2D'),
  batchNorm: layer('BatchNorm'),
  layerNorm: layer('LayerNorm'),
  groupNorm: layer('GroupNorm'),
  instanceNorm: layer('InstanceNorm'),
  embedding: (library, { inputDim, outputDim }, c, dtype) =>
    fromBlock(library, construct(library.nn, 'Embedding', inputDim, outputDim), c, dtype),
  lstm: recurrentLayer('LSTM'),
  gru: recurrentLayer('GRU'),
  rnn_tanh: recurrentLayer('RNN', { activation: 'tanh' }),
};

function runner(library: Library, c: Case, dtype: Float): Runner | null {
  const { op, units } = c.attrs as { op?: string; units?: number };
  if (op === undefined) {
    return units === undefined ? null : layer('Dense', 'units')(library, c.attrs, c, dtype);
  }
  if (op.endsWith('Loss')) return lossLayer(op.slice(0, -'Loss'.length))(library, c.attrs, c, dtype);
  const make = layers[op];
  if (make !== undefined) return make(library, c.attrs, c, dtype);
  const call = exported(library, op) ?? exported(library.nn, op);
  if (call === undefined) return null;
  const options = optionsOf(c.attrs);
  const rest = Object.keys(options).length > 0 ? [options] : [];
  return { forward: inputs => call(...inputs, ...rest), parameters: [] };
}

// ---------- comparing

function load(library: Library, stored: Stored, dtype: Float): Tensor {
  const float = stored.dtype === 'float32' || stored.dtype === 'float64';
  const options = { dtype: float ? dtype : stored.dtype, shape: stored.shape };
  return library.tensor(Float64Array.from(stored.data), options) as Tensor;
}

function sizeOf(stored: Stored): number {
  return stored.shape.reduce((a, b) => a * b, 1);
}

/** How many products or terms go into one element of a result or a gradient; 1 for what is elementwise. */
function terms(c: Case, target: Stored): number {
  const y = Object.values(c.outputs ?? {})[0] as Stored;
  const inputs = Object.values(c.inputs ?? {});
  const first = inputs[0] as Stored;
  const weight = c.params?.weight ?? c.params?.weight_hh_l0;
  const { op = 'dense' } = c.attrs as { op?: string };
  const size = Math.max(1, sizeOf(target));
  if (weight !== undefined && op !== 'embedding') {
    const products = sizeOf(y) * (sizeOf(weight) / (weight.shape[0] as number));
    return Math.max(products / size, sizeOf(weight) / (weight.shape[0] as number));
  }
  if (op === 'matmul') return (sizeOf(y) * (first.shape.at(-1) as number)) / size;
  const all = Math.max(sizeOf(y), ...inputs.map(sizeOf));
  if (/Norm|Attention/.test(op)) return all;
  return Math.max(all / size, all / Math.max(1, sizeOf(y)), /softmax/i.test(op) ? (first.shape.at(-1) as number) : 1);
}

/** |got - want| ≤ factor·(|want| + max|want|), with factor c·eps in float32 and 1e-12 in float64. */
function compare(what: string, got: Tensor, want: Stored, dtype: Float, terms: number): void {
  if (got.dtype !== dtype) throw new Error(`${what} is ${got.dtype}, not ${dtype}`);
  if (String(got.shape) !== String(want.shape))
    throw new Error(`${what} has shape [${got.shape.join(', ')}], not [${want.shape.join(', ')}]`);
  const factor = dtype === 'float64' ? 1e-12 : Math.max(16, 8 * Math.sqrt(terms)) * 2 ** -23;
  const values = got.toTypedArray() as ArrayLike<number>;
  const largest = want.data.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  want.data.forEach((b, i) => {
    const a = values[i] as number;
    const allowed = factor * (Math.abs(b) + largest);
    if (!(Math.abs(a - b) <= allowed))
      throw new Error(`element ${i} of ${what} is ${a}, not ${b}: off by ${Math.abs(a - b)}, allowed ${allowed}`);
  });
}

// ---------- running

/** 'none' where the library has no counterpart yet; raises where it answers otherwise than the file. */
export function runCase(library: Library, c: Case, dtype: Float): 'ran' | 'none' {
  return c.attrs.optimizer === undefined ? runOperation(library, c, dtype) : runOptimizer(library, c, dtype);
}

function tensorsOf(result: unknown): Tensor[] {
  if (Array.isArray(result)) return result.flatMap(tensorsOf);
  return [result as Tensor];
}

function runOperation(library: Library, c: Case, dtype: Float): 'ran' | 'none' {
  const { autograd } = library;
  const run = runner(library, c, dtype);
  if (run === null) return 'none';
  const stored = Object.entries(c.inputs ?? {});
  const inputs = stored.map(([, s]) => load(library, s, dtype));
  stored.forEach(([name], i) => {
    if (c.grads?.[name] !== undefined) (inputs[i] as Tensor).attachGrad();
  });
  const training = c.attrs.training !== false;
  const results = tensorsOf(autograd.record(() => run.forward(inputs), { trainMode: training }));
  const parameters = new Map(run.parameters);
  const heads: Tensor[] = [];
  const headGrads: Tensor[] = [];
  Object.entries(c.outputs ?? {}).forEach(([name, want], i) => {
    const parameter = parameters.get(name);
    const got = parameter === undefined ? (results[i] as Tensor) : (parameter.data() as Tensor);
    compare(name, got, want, dtype, terms(c, want));
    const cotangent = c.cotangents?.[name];
    if (cotangent === undefined) return;
    heads.push(got);
    headGrads.push(load(library, cotangent, dtype));
  });
  const grads = Object.entries(c.grads ?? {});
  if (grads.length === 0) return 'ran';
  // A piecewise constant operation may refuse: its gradient is then zero everywhere.
  const flat = grads.every(([, want]) => want.data.every(value => value === 0));
  try {
    autograd.backward(heads, headGrads);
  } catch (error) {
    if (flat && error instanceof library.AutogradError) return 'ran';
    throw error;
  }
  for (const [name, want] of grads) {
    const i = stored.findIndex(([own]) => own === name);
    const got = i < 0 ? parameters.get(name)?.grad() : (inputs[i] as Tensor).grad;
    if (got === undefined || got === null) throw new Error(`${name} has no gradient`);
    compare(`the gradient of ${name}`, got as Tensor, want, dtype, terms(c, want));
  }
  return 'ran';
}

/** A case's forward as a net: inputs whose gradients are wanted are parameters, the others constants. */
function netOf(library: Library, run: Runner, inputs: readonly Tensor[], trained: readonly boolean[]): Latent.nn.Block {
  const { nn } = library;
  class CaseNet extends nn.Block {
    readonly inner = run.block ?? null;
    readonly given = inputs.map((x, i) => {
      if (trained[i] !== true) return null;
      const parameter = new nn.Parameter({ shape: x.shape, dtype: x.dtype as Float });
      parameter.setData(x);
      return parameter;
    });
    override forward(_x: Tensor): unknown {
      return tensorsOf(run.forward(inputs.map((x, i) => this.given[i]?.data() ?? x)));
    }
  }
  return new CaseNet() as unknown as Latent.nn.Block;
}

/** Runs an operation's case by plans: a hybridized net, and for gradients a compiled step and a recorded call. */
export function runPlanned(library: Library, c: Case, dtype: Float): 'ran' | 'none' {
  const { autograd, compileStep, Trainer, mul } = library;
  const stored = Object.entries(c.inputs ?? {});
  const trained = stored.map(([name]) => c.grads?.[name] !== undefined);
  const make = (): { run: Runner; net: Latent.nn.Block } | null => {
    const run = c.attrs.optimizer === undefined ? runner(library, c, dtype) : null;
    const inputs = stored.map(([, s]) => load(library, s, dtype));
    return run === null ? null : { run, net: netOf(library, run, inputs, trained) };
  };
  const predicted = make();
  if (predicted === null) return 'none';
  const any = library.tensor([0]);
  const training = c.attrs.training !== false;
  predicted.net.hybridize();
  const results = (training ? autograd.trainMode : autograd.predictMode)(
    () => predicted.net(any) as unknown as Tensor[],
  );
  const parameters = new Map(predicted.run.parameters);
  Object.entries(c.outputs ?? {}).forEach(([name, want], i) => {
    const got = parameters.get(name)?.data() ?? (results[i] as Tensor);
    compare(name, got as Tensor, want, dtype, terms(c, want));
  });
  const grads = Object.entries(c.grads ?? {});
  // A compiled step trains.
  if (grads.length === 0 || !training) return 'ran';
  const cotangents = Object.keys(c.outputs ?? {}).flatMap((name, i) => {
    const cotangent = c.cotangents?.[name];
    return cotangent === undefined ? [] : [[i, load(library, cotangent, dtype)] as const];
  });
  const loss = (outputs: readonly Tensor[]): Tensor =>
    cotangents
      .map(([i, cotangent]): Tensor => mul(outputs[i] as Tensor, cotangent).sum())
      .reduce((sum, one) => sum.add(one) as Tensor);
  const flat = grads.every(([, want]) => want.data.every(value => value === 0));
  const ways: readonly ((net: Latent.nn.Block) => void)[] = [
    net => void compileStep(net, loss, new Trainer(net.collectParams(), 'sgd', { learningRate: 0 })).backward(any),
    net => {
      net.hybridize();
      autograd.record(() => loss(net(any) as unknown as Tensor[])).backward();
    },
  ];
  for (const differentiate of ways) {
    const { net, run } = make() as NonNullable<ReturnType<typeof make>>;
    try {
      differentiate(net);
    } catch (error) {
      if (flat && error instanceof library.AutogradError) continue;
      throw error;
    }
    const own = new Map(run.parameters);
    const given = (net as unknown as { given: readonly (Latent.nn.Parameter | null)[] }).given;
    for (const [name, want] of grads) {
      const i = stored.findIndex(([input]) => input === name);
      const got = i < 0 ? own.get(name)?.grad() : given[i]?.grad();
      if (got === undefined) throw new Error(`${name} has no gradient`);
      compare(`the gradient of ${name}`, got as Tensor, want, dtype, terms(c, want));
    }
  }
  return 'ran';
}

/** Writes an operation's forward as a file and compares what `answer` makes of the file and the case's inputs. */
export async function runExported(
  library: Library,
  c: Case,
  dtype: Float,
  answer: (model: Uint8Array, inputs: readonly Tensor[]) => Promise<readonly Tensor[]>,
): Promise<'ran' | 'none'> {
  // A file predicts.
  const trains = c.attrs.training !== false && c.state !== undefined;
  const run = c.attrs.optimizer === undefined && !trains ? runner(library, c, dtype) : null;
  if (run === null) return 'none';
  const inputs = Object.values(c.inputs ?? {}).map(stored => load(library, stored, dtype));
  const block = run.block ?? null;
  class CaseNet extends library.nn.Block {
    readonly inner = block;
    override forward(...given: Tensor[]): unknown {
      return tensorsOf(run?.forward(given));
    }
  }
  const net = new CaseNet() as unknown as Latent.nn.Block;
  const model = net.toOnnx({ inputShape: inputs.map(x => x.shape), dtype: inputs.map(x => x.dtype) });
  const results = await answer(model, inputs);
  Object.entries(c.outputs ?? {}).forEach(([name, want], i) => {
    compare(name, results[i] as Tensor, want, dtype, terms(c, want));
  });
  return 'ran';
}

const optimizers: Readonly<Record<string, string>> = {
  sgd: 'SGD',
  nag: 'SGD',
  adam: 'Adam',
  adamw: 'AdamW',
  rmsprop: 'RMSProp',
  adagrad: 'Adagrad',
  adadelta: 'Adadelta',
  adamax: 'Adamax',
};

function runOptimizer(library: Library, c: Case, dtype: Float): 'ran' | 'none' {
  const name = c.attrs.optimizer as string;
  const optimizer = construct(library.optim, optimizers[name] ?? name, {
    ...optionsOf(c.attrs),
    ...(name === 'nag' ? { nesterov: true } : {}),
  });
  if (optimizer === undefined) return 'none';
  const parameter = new library.nn.Parameter({ shape: c.weight?.shape as number[], dtype });
  parameter.setData(load(library, c.weight as Stored, dtype));
  const trainer = new library.Trainer([parameter], optimizer as Latent.optim.Optimizer);
  (c.gradients ?? []).forEach((stored, step) => {
    const g = load(library, stored, dtype);
    library.autograd.record(() => library.mul(parameter.data() as Tensor, g).sum()).backward();
    trainer.step();
    const want = (c.weightAfterStep ?? [])[step] as Stored;
    compare(`the weight after step ${step + 1}`, parameter.data() as Tensor, want, dtype, 1);
  });
  return 'ran';
}
