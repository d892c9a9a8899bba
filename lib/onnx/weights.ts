import { max, min } from '../ops/reduce.js';
import type { ParameterRole } from '../parameter/parameter.js';
import { isFloat } from '../tensor/dtype.js';
import type { Tensor } from '../tensor/tensor.js';
import type { Node } from './schema.js';

/** The role of a file's constant that is a parameter. */
export interface Use {
  readonly role: ParameterRole;
  /** Whether training leaves it as it is. */
  readonly isFrozen: boolean;
  /**
   * Whether it is what a layer has, and not a mask or a table of the file's own: those have no first values but the file's.
   */
  readonly isLayers: boolean;
}

const norm = { 1: 'gamma', 2: 'beta' } as const;
const recurrent = { 1: 'weight', 2: 'weight', 3: 'bias' } as const;

/** The inputs of operators that are what a layer learns, by their places. */
const learnt = new Map<string, Readonly<Record<number, ParameterRole>>>([
  ['Gemm', { 0: 'weight', 1: 'weight', 2: 'bias' }],
  ['MatMul', { 0: 'weight', 1: 'weight' }],
  ['Conv', { 1: 'weight', 2: 'bias' }],
  ['ConvTranspose', { 1: 'weight', 2: 'bias' }],
  ['LSTM', recurrent],
  ['GRU', recurrent],
  ['RNN', recurrent],
  ['LayerNormalization', norm],
  ['InstanceNormalization', norm],
  ['BatchNormalization', { ...norm, 3: 'runningMean', 4: 'runningVar' }],
  ['PRelu', { 1: 'weight' }],
]);

/** Operators whose result has the elements of the first input. */
const moves: ReadonlySet<string> = new Set(['Identity', 'Cast', 'Reshape', 'Transpose', 'Squeeze', 'Unsqueeze']);

/** Inputs that are no weights where a weight is computed: exponents, bounds, and what surrounds others. */
const numbers = new Map<string, readonly number[]>([
  ['Pow', [1]],
  ['Clip', [1, 2]],
  ['Pad', [2]],
]);

/**
 * A result whose channels a vector may scale or shift, as a layer's gain and bias do: of how many channels, null where that
 * is not known, and where their axis stands, counted from the end, null for any.
 */
interface Channels {
  readonly count: number | null;
  readonly axis: number | null;
  readonly isNorm: boolean;
  readonly scales: boolean;
  readonly shifts: boolean;
}

const normalized: Channels = { count: null, axis: null, isNorm: true, scales: true, shifts: false };

/**
 * Finds what a file's constants are for. Weights are what stands where an operator takes what a layer learns, or what is
 * computed into that, and the vectors along channels that shift and scale the results of these. Others are frozen, and those of
 * one element are numbers of the graph.
 */
export class Uses {
  readonly #found = new Map<string, Use>();
  readonly #producers = new Map<string, Node>();
  /** Values that no input has a part in. */
  readonly #constant: Set<string>;
  readonly #channels = new Map<string, Channels>();
  /** Of constants that are moved: the one whose elements they have, and their shape, null where it is not known. */
  readonly #moved = new Map<string, { readonly from: string; readonly shape: readonly number[] | null }>();
  readonly #learnt = new Set<string>();
  /** Whether all elements are finite, once that was asked. */
  readonly #finite = new Map<Tensor, boolean>();

  constructor(
    nodes: readonly Node[],
    private readonly constants: ReadonlyMap<string, Tensor>,
    others: readonly string[],
  ) {
    this.#constant = new Set([...constants.keys(), ...others]);
    for (const node of nodes) this.#visit(node);
    for (const { input } of nodes) for (const name of input) this.#freeze(name);
  }

  /** The parameters among the constants, by name. */
  get found(): ReadonlyMap<string, Use> {
    return this.#found;
  }

  #visit(node: Node): void {
    const { opType, input, output } = node;
    if (opType === 'Constant') return;
    for (const name of output) this.#producers.set(name, node);
    if (input.every(name => name === '' || this.#constant.has(name)))
      for (const name of output) this.#constant.add(name);
    if (moves.has(opType)) this.#move(node);
    for (const [place, role] of Object.entries(learnt.get(opType) ?? {})) this.#learn(input[Number(place)], role);
    // A table of rows, as an embedding has it.
    const isTable = opType === 'Gather' && axisOf(node) === 0 && this.#shape(input[0])?.length === 2;
    if (isTable && this.#isFinite(input[0] as string)) this.#learn(input[0], 'weight');
    const channels = this.#channelsOf(node);
    if (channels !== null) this.#channels.set(output[0] ?? '', channels);
  }

  #move({ opType, input: [from = ''], output: [to = ''], attribute }: Node): void {
    if (!this.#constant.has(from)) return;
    const shape = this.#shape(from) ?? null;
    const perm = attribute.find(one => one.name === 'perm')?.ints.map(Number);
    const turned = shape?.map((_, d) => shape[perm?.[d] ?? shape.length - 1 - d] as number) ?? null;
    const isSame = opType === 'Identity' || opType === 'Cast';
    const result = isSame ? shape : opType === 'Transpose' ? turned : null;
    this.#moved.set(to, { from: this.#moved.get(from)?.from ?? from, shape: result });
  }

  /** Marks a constant as a weight, or what it is computed from. */
  #learn(name: string | undefined, role: ParameterRole): void {
    const open = [name ?? ''];
    while (open.length > 0) {
      const next = open.pop() as string;
      if (this.#learnt.has(next) || !this.#constant.has(next)) continue;
      this.#learnt.add(next);
      const t = this.constants.get(next);
      const node = this.#producers.get(next);
      const isWhole = next === name || this.#moved.get(name ?? '')?.from === next;
      if (t !== undefined) {
        if (isWhole || t.size > 1) this.#mark(next, role);
      } else if (node !== undefined) {
        const others = numbers.get(node.opType);
        for (const [place, input] of node.input.entries()) if (!others?.includes(place)) open.push(input);
      }
    }
  }

  #mark(name: string, role: ParameterRole): void {
    const { dtype, size } = this.constants.get(name) as Tensor;
    // A constant that is a weight anywhere is one; its first use tells its role.
    if (!isFloat(dtype) || size === 0 || this.#found.has(name)) return;
    this.#found.set(name, { role, isFrozen: role === 'runningMean' || role === 'runningVar', isLayers: true });
  }

  /** A constant that is neither a weight nor a number: it is shown, and stays as it is. */
  #freeze(name: string): void {
    const t = this.constants.get(name);
    if (t === undefined || !isFloat(t.dtype) || t.size < 2 || this.#found.has(name)) return;
    this.#found.set(name, { role: 'weight', isFrozen: true, isLayers: false });
  }

  /** The shape of a constant, null where that is not known; undefined for what is none. */
  #shape(name: string | undefined): readonly number[] | null | undefined {
    if (name === undefined || !this.#constant.has(name)) return undefined;
    return this.constants.get(name)?.shape ?? this.#moved.get(name)?.shape ?? null;
  }

  #channelsOf(node: Node): Channels | null {
    const { opType, input } = node;
    const learns = { scales: true, shifts: true, isNorm: false };
    switch (opType) {
      case 'MatMul':
      case 'Gemm': {
        const [left, right] = [this.#shape(input[0]), this.#shape(input[1])];
        if ((left === undefined) === (right === undefined)) return null;
        const isLeft = left !== undefined;
        const shape = isLeft ? left : (right as readonly number[] | null);
        if (shape !== null && shape.length < 2) return null;
        const isTurned = !isLeft && node.attribute.some(one => one.name === 'transB' && one.i !== 0n);
        const count = shape?.at(isLeft || isTurned ? -2 : -1) ?? null;
        return { count, axis: isLeft ? -2 : -1, ...learns, shifts: !input[2] };
      }
      case 'Conv':
      case 'ConvTranspose': {
        const shape = this.#shape(input[1]);
        if (shape === undefined) return null;
        const groups = Number(node.attribute.find(one => one.name === 'group')?.i ?? 1n);
        const count = shape === null ? null : opType === 'Conv' ? shape[0] : (shape[1] ?? 0) * groups;
        const axis = shape === null ? null : 1 - shape.length;
        return { count: count ?? null, axis, ...learns, shifts: !input[2] };
      }
      case 'InstanceNormalization':
      case 'BatchNormalization':
      case 'LayerNormalization':
        return normalized;
      case 'Div':
        return this.#isDeviation(input[1]) ? normalized : null;
      case 'Mul':
        return input.some(name => this.#isReciprocalDeviation(name)) ? normalized : this.#scaled(node);
      case 'Add':
        return this.#shifted(node);
      default:
        // Where the channels stand in another shape is not known.
        if (opType === 'Identity' || opType === 'Cast') return this.#channels.get(input[0] ?? '') ?? null;
        if (!moves.has(opType) || !this.#channels.get(input[0] ?? '')?.isNorm) return null;
        return { ...(this.#channels.get(input[0] ?? '') as Channels), axis: null };
    }
  }

  /** The channels of one operand of two, and the vector along them that the other is. */
  #vector({ input }: Node, learns: 'scales' | 'shifts'): { channels: Channels; name: string } | null {
    for (const [x, name] of [input, [...input].reverse()] as [string, string][]) {
      const channels = this.#channels.get(x);
      const shape = this.#shape(name);
      if (channels?.[learns] && shape !== undefined && this.#isAlong(shape, name, channels, learns))
        return { channels, name };
    }
    return null;
  }

  /** Whether a constant has one element for each channel, and no infinity as a mask has. */
  #isAlong(shape: readonly number[] | null, name: string, { count, axis }: Channels, learns: string): boolean {
    const size = this.#source(name)?.size;
    if (size === undefined || !this.#isFinite(name)) return false;
    // The one bias of one channel is a vector as others are; a factor of one element is a number.
    if (size === 1) return learns === 'shifts' && count === 1 && shape !== null && shape.length > 0;
    if (count !== null && count !== size) return false;
    if (shape === null) return true;
    const wide = shape.flatMap((one, d) => (one === 1 ? [] : [d - shape.length]));
    return wide.length === 1 && (axis === null || wide[0] === axis);
  }

  /** The constant whose elements another has. */
  #source(name: string): Tensor | undefined {
    return this.constants.get(this.#moved.get(name)?.from ?? name);
  }

  #isFinite(name: string): boolean {
    const t = this.#source(name);
    if (t === undefined) return false;
    const known = this.#finite.get(t);
    if (known !== undefined) return known;
    // By what is computed from it, for a copy of its elements may be as large as the file.
    const ends = (): Tensor[] => [max(t) as Tensor, min(t) as Tensor];
    const isFinite = !isFloat(t.dtype) || t.size === 0 || ends().every(end => Number.isFinite(end.item()));
    this.#finite.set(t, isFinite);
    return isFinite;
  }

  #scaled(node: Node): Channels | null {
    const found = this.#vector(node, 'scales');
    if (found !== null) {
      this.#learn(found.name, 'gamma');
      return { ...found.channels, scales: false, shifts: true };
    }
    return null;
  }

  #shifted(node: Node): Channels | null {
    const found = this.#vector(node, 'shifts');
    if (found !== null) {
      this.#learn(found.name, found.channels.isNorm ? 'beta' : 'bias');
      return { ...found.channels, shifts: false };
    }
    return null;
  }

  /** √(mean + ε), by which a normalization divides. */
  #isDeviation(name: string | undefined): boolean {
    const node = this.#producers.get(name ?? '');
    if (node === undefined) return false;
    const isRoot = node.opType === 'Sqrt' || (node.opType === 'Pow' && this.#number(node.input[1]) === 0.5);
    if (!isRoot) return false;
    const inner = this.#producers.get(node.input[0] ?? '');
    const terms = inner?.opType === 'Add' ? inner.input.map(one => this.#producers.get(one)) : [inner];
    return terms.some(term => term?.opType === 'ReduceMean');
  }

  #isReciprocalDeviation(name: string): boolean {
    const node = this.#producers.get(name);
    if (node?.opType === 'Reciprocal') return this.#isDeviation(node.input[0]);
    return node?.opType === 'Div' && this.#number(node.input[0]) === 1 && this.#isDeviation(node.input[1]);
  }

  #number(name: string | undefined): number | null {
    const t = this.constants.get(name ?? '');
    return t?.size === 1 ? Number(t.item()) : null;
  }
}

function axisOf(node: Node): number {
  return Number(node.attribute.find(one => one.name === 'axis')?.i ?? 0n);
}
