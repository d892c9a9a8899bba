import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { io, nn, type Tensor } from '../../lib/index.js';
import { decodeMessage, encodeMessage } from '../../lib/onnx/codec.js';
import { DataType, type Graph, type Model, type TensorData } from '../../lib/onnx/schema.js';
import { runModel } from './onnxruntime.js';

function narrowTensor(data: TensorData): void {
  if (data.dataType !== DataType.float64) return;
  const wide = new Float64Array(data.rawData.slice().buffer);
  data.dataType = DataType.float32;
  data.rawData = new Uint8Array(Float32Array.from(wide).buffer);
}

/** The same model with float32 for float64 throughout. */
export function narrowed(bytes: Uint8Array): Uint8Array {
  const model: Model = decodeMessage('Model', bytes);
  const graph = model.graph as Graph;
  graph.initializer.forEach(narrowTensor);
  for (const { type } of [...graph.input, ...graph.output])
    if (type?.tensorType?.elemType === DataType.float64) type.tensorType.elemType = DataType.float32;
  for (const { opType, attribute } of graph.node) {
    for (const one of attribute) {
      if (one.t !== undefined) narrowTensor(one.t);
      if (opType === 'Cast' && one.name === 'to' && one.i === BigInt(DataType.float64))
        one.i = BigInt(DataType.float32);
    }
  }
  return encodeMessage('Model', model);
}

export function graphOf(bytes: Uint8Array): Graph {
  return decodeMessage('Model', bytes).graph as Graph;
}

/** The operators of a model, by name. */
export function operatorsOf(bytes: Uint8Array): string[] {
  return graphOf(bytes).node.map(node => node.opType);
}

/** The tensors of a result, at any depth. */
export function flat(result: unknown): Tensor[] {
  if (Array.isArray(result)) return result.flatMap(flat);
  if (typeof result === 'object' && result !== null && !('toTypedArray' in result))
    return Object.values(result).flatMap(flat);
  return [result as Tensor];
}

/** A net of a function, and of the blocks that it calls. */
export function netOf(forward: (...inputs: Tensor[]) => unknown, owned: readonly nn.BlockBase[] = []): nn.Block {
  class Function_ extends nn.Block {
    readonly owned = owned;
    override forward(...inputs: Tensor[]): unknown {
      return forward(...inputs);
    }
  }
  return new Function_() as unknown as nn.Block;
}

/** How far two numbers may be apart, as parts of the largest that is expected. */
export interface Tolerance {
  readonly float32: number;
  readonly float64: number;
}

/** Where results differ, or null. Infinities, NaN and whole numbers must be the same. */
export function difference(got: readonly Tensor[], want: readonly Tensor[], tolerance: Tolerance): string | null {
  if (got.length !== want.length) return `${got.length} results, not ${want.length}`;
  for (const [i, t] of want.entries()) {
    const other = got[i] as Tensor;
    if (other.dtype !== t.dtype || String(other.shape) !== String(t.shape))
      return `result ${i} is ${other.dtype} [${other.shape.join(', ')}], not ${t.dtype} [${t.shape.join(', ')}]`;
    const [a, b] = [other.toTypedArray(), t.toTypedArray()] as unknown as [number[], number[]];
    const allowed = t.dtype === 'float32' ? tolerance.float32 : t.dtype === 'float64' ? tolerance.float64 : 0;
    const largest = b.reduce((m, v) => (Number.isFinite(v) ? Math.max(m, Math.abs(v)) : m), 1);
    for (let j = 0; j < b.length; j++) {
      const [x, y] = [a[j] as number, b[j] as number];
      if (Object.is(x, y) || x === y || Math.abs(x - y) <= allowed * largest) continue;
      return `element ${j} of result ${i} is ${x}, not ${y}`;
    }
  }
  return null;
}

const folder = process.env.LATENT_TEST_MODELS;
let kept = 0;

/** Puts a model where LATENT_TEST_MODELS says, for a checker beside the tests. */
function keep(model: Uint8Array): void {
  if (folder === undefined) return;
  const test = (expect.getState().currentTestName ?? '').replaceAll(/[^\w]+/g, '-').slice(0, 60);
  writeFileSync(join(folder, `${test}-${process.pid}-${kept++}.onnx`), model);
}

/** What is wrong with an exported net: as the import has it, and as onnxruntime has it; null for nothing. */
export async function disagreement(
  model: Uint8Array,
  inputs: readonly Tensor[],
  want: readonly Tensor[],
  tolerance: Tolerance,
): Promise<string | null> {
  keep(model);
  const net = io.onnx.fromBytes(model);
  for (const [how, run] of [
    ['imported', () => net(...inputs)],
    ['imported and planned', () => net.predictSync([...inputs])],
  ] as const) {
    const wrong = difference(flat(run()), want, tolerance);
    if (wrong !== null) return `${how}: ${wrong}`;
  }
  const names = net.inputNames;
  const feeds = (list: readonly Tensor[]) => Object.fromEntries(names.map((name, i) => [name, list[i] as Tensor]));
  const runtime = async (bytes: Uint8Array, list: readonly Tensor[]): Promise<Tensor[]> => {
    const results = await runModel(bytes, feeds(list));
    return net.outputNames.map(name => results.get(name) as Tensor);
  };
  try {
    const wrong = difference(await runtime(model, inputs), want, tolerance);
    return wrong === null ? null : `onnxruntime: ${wrong}`;
  } catch (error) {
    // It has no float64 kernels for some operators, which the format allows all the same.
    const isLacking = /Could not find an implementation for \w+|\w+ operator does not support double/.test(
      String(error),
    );
    const isDouble = [...inputs, ...want].some(t => t.dtype === 'float64');
    if (!isLacking || !isDouble) return `onnxruntime: ${String(error)}`;
  }
  // The graph of float64 as one of float32, which the runtime has all operators for.
  const narrow = (t: Tensor): Tensor => (t.dtype === 'float64' ? (t.cast('float32') as Tensor) : t);
  const wrong = difference(await runtime(narrowed(model), inputs.map(narrow)), want.map(narrow), tolerance);
  return wrong === null ? null : `onnxruntime, as float32: ${wrong}`;
}
