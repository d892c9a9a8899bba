/** Reads the cases of test/golden/real and holds results to them; test/golden/README.md states the format and the formulas. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Tensor, tensor } from '../../lib/index.js';

/** What a tensor's elements are computed from, beside their stream. */
interface Draw {
  readonly scale?: number;
  readonly offset?: number;
  /** Where it is given, elements are the integers from 0 up to it. */
  readonly below?: number;
}

/** What is stored of an expected tensor. */
interface Want {
  readonly shape: readonly number[];
  readonly max: number;
  readonly error: number;
  readonly samples: readonly number[];
  readonly dots: readonly number[];
}

export interface RealCase {
  readonly name: string;
  readonly kind: string;
  readonly quick: boolean;
  readonly options: Readonly<Record<string, any>>;
  readonly seed: number;
  readonly draws: { readonly x: Draw & { readonly shape: readonly number[] } } & Readonly<Record<string, Draw>>;
  readonly want: Readonly<Record<string, Want>>;
}

export function readCases(): readonly RealCase[] {
  const path = join(__dirname, '..', 'golden', 'real', 'layers.json');
  return (JSON.parse(readFileSync(path, 'utf8')) as { cases: readonly RealCase[] }).cases;
}

// Jest runs tests in a realm where each look at a global costs more than the arithmetic here.
const { imul } = Math;

function mixed(h: number): number {
  h = imul(h ^ (h >>> 16), 0x7feb352d);
  h = imul(h ^ (h >>> 15), 0x846ca68b);
  return (h ^ (h >>> 16)) >>> 0;
}

export function drawn(shape: readonly number[], seed: number, { scale = 1, offset = 0, below }: Draw = {}): Tensor {
  const size = shape.reduce((a, b) => a * b, 1);
  const start = mixed(seed >>> 0);
  if (below !== undefined) {
    const whole = new Int32Array(size);
    for (let i = 0; i < size; i++) whole[i] = mixed((i + start) | 0) % below;
    return tensor(whole, { shape }) as Tensor;
  }
  const values = new Float32Array(size);
  for (let i = 0; i < size; i++) values[i] = offset + scale * ((mixed((i + start) | 0) >>> 8) / 2 ** 23 - 1);
  return tensor(values, { shape }) as Tensor;
}

/** The place of a case's k-th sample among n elements. */
function sampled(k: number, n: number): number {
  return k === 0 ? 0 : k === 1 ? n - 1 : mixed((k - 2 + mixed(2)) | 0) % n;
}

/** Σ ±value / √n with three patterns of signs. */
function projected(values: ArrayLike<number>): readonly [number, number, number] {
  const start = mixed(1);
  let [a, b, c] = [0, 0, 0];
  for (let i = 0; i < values.length; i++) {
    const h = mixed((i + start) | 0);
    const value = values[i] as number;
    a += h & 0x80000000 ? -value : value;
    b += h & 0x40000000 ? -value : value;
    c += h & 0x20000000 ? -value : value;
  }
  const norm = Math.sqrt(values.length);
  return [a / norm, b / norm, c / norm];
}

/** How far errors may go in relation to the largest element: twice PyTorch's, and 12 roundings where its own are fewer. */
const allowed = (want: Want): number => Math.max(2 * want.error, 1.5e-6);

/** What of a tensor is further from its expected value than it may be. */
export function faults(what: string, got: Tensor, want: Want): string[] {
  if (got.dtype !== 'float32' || String(got.shape) !== String(want.shape))
    return [`${what} is ${got.dtype} [${got.shape.join(', ')}], not float32 [${want.shape.join(', ')}]`];
  const values = got.toTypedArray() as Float32Array;
  const limit = allowed(want);
  const check = (place: string, value: number, expected: number): string[] => {
    const error = Math.abs(value - expected) / want.max;
    if (error <= limit) return [];
    const sizes = `${error.toExponential(1)} of the largest, where ${limit.toExponential(1)} is allowed`;
    return [`${place} of ${what} is ${value}, not ${expected}: off by ${sizes}`];
  };
  const n = values.length;
  return [
    ...want.samples.flatMap((v, k) => check(`element ${sampled(k, n)}`, values[sampled(k, n)] as number, v)),
    ...projected(values).flatMap((v, j) => check(`projection ${j}`, v, want.dots[j] as number)),
  ];
}
