import { type FreeMake, type FreeNode, type FreeOperand, type FreeValue, isValue } from './free-graph.js';
import { isKnown, sameSize } from './sizes.js';

/**
 * Operators of the format that are several operations here: what they are written from lies further back than the operands
 * of the last of these.
 */

/** The node that makes a value. */
export type Producers = ReadonlyMap<FreeValue, FreeNode | FreeMake>;

function nodeOf(operand: FreeOperand | undefined, producers: Producers, name: string): FreeNode | null {
  const node = operand !== undefined && isValue(operand) ? producers.get(operand) : undefined;
  return node !== undefined && 'op' in node && node.op.name === name ? node : null;
}

function isNumber(operand: FreeOperand | undefined, value?: number): boolean {
  return (
    operand !== undefined && !isValue(operand) && isKnown(operand) && (value === undefined || operand.at[0] === value)
  );
}

// ---------- recurrent layers

/** Recurrent operations take what the input gives each gate; the format's take the input and its weight. */
export const recurrent: ReadonlySet<string> = new Set(['lstm', 'gru', 'rnnTanh', 'rnnRelu']);

export interface InputPart {
  readonly x: FreeValue;
  readonly weight: FreeValue;
  readonly bias: FreeValue | null;
}

/** The input x[steps, batch, units] that a recurrent operation's first operand was made from, by one product; or null. */
export function inputPart({ inputs: [given] }: FreeNode, producers: Producers): InputPart | null {
  const joined = nodeOf(given, producers, 'reshape');
  const product = nodeOf(joined?.inputs[0], producers, 'dense');
  const rows = nodeOf(product?.inputs[0], producers, 'reshape');
  if (product === null || rows === null) return null;
  const [x] = rows.inputs as [FreeValue];
  const [, weight, bias] = product.inputs as readonly FreeValue[];
  const { activation } = product.attrs[0] as { activation: string | null };
  const { shape } = given as FreeValue;
  const same = [0, 1].every(d => sameSize(x.shape[d], shape[d]));
  if (x.shape.length !== 3 || activation !== null || !same) return null;
  return { x, weight: weight as FreeValue, bias: bias ?? null };
}

// ---------- rectifiers

export interface Rectifier {
  readonly type: 'LeakyRelu' | 'Elu' | 'PRelu';
  readonly x: FreeValue;
  /** The slope on the left of 0, or what multiplies e^x - 1 there. */
  readonly alpha: FreeOperand;
}

/** x where it is above 0, and something else of x where it isn't: an operator of its own, or null. */
export function rectifier(
  { op, inputs: [condition, x, below], output }: FreeNode,
  producers: Producers,
): Rectifier | null {
  if (op.name !== 'where' || x === undefined || !isValue(x)) return null;
  const [left, zero] = nodeOf(condition, producers, 'greater')?.inputs ?? [];
  const [source, alpha] = nodeOf(below, producers, 'mul')?.inputs ?? [];
  if (left !== x || !isNumber(zero, 0) || alpha === undefined || x.dtype !== output.dtype) return null;
  // The format keeps numbers of operators as float32.
  const fits = isNumber(alpha) && output.dtype === 'float32';
  if (source === x) {
    if (fits) return { type: 'LeakyRelu', x, alpha };
    return isValue(alpha) && alpha.shape.length <= x.shape.length && alpha.dtype === x.dtype
      ? { type: 'PRelu', x, alpha }
      : null;
  }
  const [least] = nodeOf(source, producers, 'expm1')?.inputs ?? [];
  const [inner, bound] = nodeOf(least, producers, 'minimum')?.inputs ?? [];
  return inner === x && isNumber(bound, 0) && fits ? { type: 'Elu', x, alpha } : null;
}

// ---------- both

/** The values that a node is written from; the weights of a recurrent one are written by their numbers. */
export function readsOf(node: FreeNode, producers: Producers): FreeValue[] {
  const own = node.inputs.filter(isValue);
  const { name } = node.op;
  if (recurrent.has(name)) {
    const x = inputPart(node, producers)?.x ?? (own[0] as FreeValue);
    return [x, ...own.slice(name === 'gru' ? 3 : 2)];
  }
  if (name === 'ownForm') return own.slice(0, -1);
  const rectified = rectifier(node, producers);
  return rectified === null ? own : [rectified.x, rectified.alpha].filter(isValue);
}
