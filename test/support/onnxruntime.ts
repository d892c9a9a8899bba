import { type ChildProcess, fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type DType, type Tensor, tensor } from '../../lib/index.js';
import { type AnyTypedArray, newTypedArray } from '../../lib/tensor/dtype.js';

/** The runtime's names of element types. */
type Type = DType | 'int64';

interface Value {
  readonly name: string;
  readonly type: Type;
  readonly dims: number[];
  readonly bytes: Uint8Array;
}

interface Answer {
  readonly id: number;
  readonly outputs?: Value[];
  readonly error?: string;
}

let child: ChildProcess | null = null;
const waiting = new Map<number, (answer: Answer) => void>();
let count = 0;

function start(): ChildProcess {
  if (!existsSync(join(__dirname, '..', 'peers', 'node_modules')))
    throw new Error('onnxruntime is not installed: npm ci --prefix test/peers --ignore-scripts');
  // What is loaded before the tests, as a sanitizer is, is not made for the runtime.
  const { LD_PRELOAD: _, ...env } = process.env;
  const started = fork(join(__dirname, 'onnxruntime-worker.js'), { serialization: 'advanced', env });
  started.on('message', answer => {
    waiting.get((answer as Answer).id)?.(answer as Answer);
    waiting.delete((answer as Answer).id);
  });
  started.on('exit', () => {
    for (const [id, resolve] of waiting) resolve({ id, error: 'onnxruntime has ended' });
    waiting.clear();
    child = null;
  });
  return started;
}

afterAll(() => {
  child?.disconnect();
});

function bytesOf(t: Tensor): Uint8Array {
  const values = t.toTypedArray() as AnyTypedArray;
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

function tensorOf({ type, dims, bytes }: Value): Tensor {
  if (type === 'int64') throw new Error('no tensor here holds int64');
  const data = newTypedArray(
    type,
    dims.reduce((n, size) => n * size, 1),
  );
  new Uint8Array(data.buffer).set(bytes);
  return tensor(data, { shape: dims, dtype: type }) as Tensor;
}

/** What onnxruntime makes of a model: its outputs in order, by name. Rejects with the runtime's message. */
export async function runModel(
  model: Uint8Array,
  feeds: Readonly<Record<string, Tensor>>,
): Promise<Map<string, Tensor>> {
  child ??= start();
  const id = count++;
  const request = {
    model: Uint8Array.from(model),
    feeds: Object.fromEntries(
      Object.entries(feeds).map(([name, t]) => [name, { type: t.dtype, dims: [...t.shape], bytes: bytesOf(t) }]),
    ),
  };
  const answer = await new Promise<Answer>(resolve => {
    waiting.set(id, resolve);
    child?.send({ id, request });
  });
  if (answer.outputs === undefined) throw new Error(answer.error);
  return new Map(answer.outputs.map(value => [value.name, tensorOf(value)]));
}
