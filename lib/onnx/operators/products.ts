import { add } from '../../ops/binary.js';
import { conv, convTranspose } from '../../ops/conv.js';
import { dense } from '../../ops/dense.js';
import { matmul } from '../../ops/matmul.js';
import { transpose } from '../../ops/view.js';
import type { Tensor } from '../../tensor/tensor.js';
import type { Call, Emitter, Exporter } from '../emitter.js';
import { floatKinds } from '../kind.js';
import type { Importer, NodeReader } from '../reader.js';
import { isKnown, type Size, sameSize, together } from '../sizes.js';
import { activations } from './elementwise.js';

type Pair = readonly [number, number];

/** How filters lie, as the operations here have it. */
interface Windows {
  readonly strides: Pair;
  readonly padding: Pair;
  readonly after?: Pair | undefined;
  readonly dilation: Pair;
  readonly groups: number;
}

const reach = (kernel: number, dilation: number): number => (kernel - 1) * dilation + 1;

/** The axis of an image that windows run along, with the number of its windows. */
export interface Axis {
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
  readonly after: number | undefined;
  readonly size: Size;
  readonly count: Size;
}

/** How many elements windows reach beyond the end; where the size is open, how many they may reach, which gives all counts. */
export function trailing(call: Call, { kernel, stride, padding, after, size, count }: Axis): number {
  if (isKnown(size)) return Math.max(0, (call.fixed(count) - 1) * stride + kernel - (size.at[0] as number) - padding);
  const counts = together([size], ([n = 0]) => Math.floor((n + padding + (after ?? 0) - kernel) / stride) + 1);
  return after !== undefined && after < kernel && sameSize(count, counts)
    ? after
    : call.refuseSizes(`has ${call.name} count windows in a way that a file does not have for all sizes`);
}

function windows(call: Call, data: readonly Size[], counts: readonly Size[]): Axis[] {
  const { strides, padding, after, dilation } = call.attrs as Windows;
  return [0, 1].map(d => ({
    kernel: reach(call.fixed(call.value(1).shape[d + 2] as Size), dilation[d] as number),
    stride: strides[d] as number,
    padding: padding[d] as number,
    after: after?.[d],
    size: data[d + 2] as Size,
    count: counts[d + 2] as Size,
  }));
}

const kernelOf = (call: Call): number[] =>
  call
    .value(1)
    .shape.slice(2)
    .map(size => call.fixed(size));

function activated(e: Emitter, call: Call, name: string): string {
  const { activation } = call.attrs as { activation: string | null };
  if (activation === null) return name;
  const emit = activations[activation] ?? call.refuse(`applies '${activation}' in ${call.name}`);
  return emit(e, name, call.output.dtype);
}

export const exporters: Readonly<Record<string, Exporter>> = {
  dense: (e, call) =>
    activated(
      e,
      call,
      e.node(
        'Gemm',
        call.inputs.map((_, i) => e.name(call.value(i))),
        { transB: 1 },
      ),
    ),
  matmul: (e, call) =>
    e.node(
      'MatMul',
      call.inputs.map(operand => e.in(call.output.dtype, operand)),
    ),
  conv: (e, call) => {
    const { strides, padding, dilation, groups } = call.attrs as Windows;
    const after = windows(call, call.value(0).shape, call.output.shape).map(axis => trailing(call, axis));
    const y = e.node(
      'Conv',
      call.inputs.map((_, i) => e.name(call.value(i))),
      {
        kernel_shape: kernelOf(call),
        strides,
        dilations: dilation,
        group: groups,
        pads: [...padding, ...after],
      },
    );
    return activated(e, call, y);
  },
  /** The gradient of conv's data, which is a transposed convolution. */
  convData: (e, call) => {
    const { strides, padding, dilation, groups } = call.attrs as Windows;
    const trailing = windows(call, call.output.shape, call.value(0).shape).map(axis =>
      call.fixed(
        together(
          [axis.size, axis.count],
          ([n = 0, count = 0]) => (count - 1) * axis.stride + axis.kernel - n - axis.padding,
        ),
      ),
    );
    return e.node(
      'ConvTranspose',
      call.inputs.map((_, i) => e.name(call.value(i))),
      {
        kernel_shape: kernelOf(call),
        strides,
        dilations: dilation,
        group: groups,
        pads: [...padding, ...trailing.map(n => Math.max(0, n))],
        output_padding: trailing.map(n => Math.max(0, -n)),
      },
    );
  },
};

// ---------- from files

/** Larger windows than any tensor. */
const MOST = 2 ** 31 - 1;

/**
 * Raises where filters, groups or a bias do not fit the channels: of `inputs` and `outputs` along the weight's first axes.
 */
function checkChannels(
  node: NodeReader,
  x: Tensor,
  weight: Tensor,
  bias: Tensor | null,
  groups: number,
  transposed: boolean,
): void {
  if (x.ndim !== 4 || weight.ndim !== 4)
    node.refuse(`windows of two dimensions are known, but the input has ${x.ndim - 2}`);
  const [first, second] = weight.shape as readonly [number, number];
  const channels = x.shape[1] as number;
  const fits = transposed
    ? first === channels && first % groups === 0
    : second * groups === channels && first % groups === 0;
  const outputs = transposed ? second * groups : first;
  if (!fits || groups < 1)
    node.refuse(`filters of shape [${weight.shape.join(', ')}] in ${groups} groups do not fit ${channels} channels`);
  if (bias !== null && (bias.ndim !== 1 || bias.shape[0] !== outputs))
    node.refuse(`a bias of shape [${bias.shape.join(', ')}] does not fit ${outputs} channels`);
}

function checkSizes(node: NodeReader, size: Pair): Pair {
  if (size.some(n => n < 0)) node.refuse('the windows are larger than their input');
  return size;
}

/** The attributes that windows have in common. */
export function windowsOf(node: NodeReader): {
  kernel: Pair | null;
  strides: Pair;
  dilations: Pair;
  before: Pair;
  trailing: Pair;
} {
  node.only('auto_pad', 'NOTSET');
  const two = (name: string, otherwise: number): Pair => {
    const given = node.ints(name) ?? [otherwise, otherwise];
    if (given.length !== 2)
      node.refuse(`attribute '${name}' has ${given.length} numbers; windows of two dimensions are known`);
    return given as [number, number];
  };
  const pads = node.ints('pads') ?? [0, 0, 0, 0];
  if (pads.length !== 4 || pads.some(n => n < 0))
    node.refuse(`attribute 'pads' is [${pads.join(', ')}]; four numbers from 0 are known`);
  const kernel = node.ints('kernel_shape');
  const positive = (name: string): Pair => {
    const pair = two(name, 1);
    if (pair.some(n => n < 1 || n > MOST))
      node.refuse(`attribute '${name}' is [${pair.join(', ')}]; numbers from 1 are known`);
    return pair;
  };
  if (pads.some(n => n > MOST)) node.refuse(`attribute 'pads' is [${pads.join(', ')}]`);
  return {
    kernel: kernel === null ? null : positive('kernel_shape'),
    strides: positive('strides'),
    dilations: positive('dilations'),
    before: [pads[0] as number, pads[1] as number],
    trailing: [pads[2] as number, pads[3] as number],
  };
}

function checkKernel(node: NodeReader, kernel: Pair | null, weight: Tensor): void {
  if (kernel === null || (kernel[0] === weight.shape[2] && kernel[1] === weight.shape[3])) return;
  node.refuse(
    `attribute 'kernel_shape' is [${kernel.join(', ')}], but the weight's is [${weight.shape.slice(2).join(', ')}]`,
  );
}

export const importers: Readonly<Record<string, Importer>> = {
  Gemm: node => {
    node.takes(2, 3);
    node.only('transA', 0);
    for (const name of ['alpha', 'beta'])
      if (node.float(name, 1) !== 1) node.refuse(`attribute '${name}' is not 1, which alone is known`);
    const turned = node.int('transB', 0) === 0;
    return {
      gives: floatKinds([0, 1], [2]),
      run: inputs => {
        const [x, weight, bias] = [inputs.tensor(0), inputs.tensor(1), inputs.maybe(2)];
        const rows = turned ? (transpose(weight) as Tensor) : weight;
        const isPlain = bias === null || (bias.ndim === 1 && bias.shape[0] === rows.shape[0]);
        if (isPlain) return [dense(x, rows, bias)];
        if (bias.ndim > 2) inputs.refuse(`a bias of ${bias.ndim} dimensions`);
        return [add(dense(x, rows, null), bias) as Tensor];
      },
    };
  },
  MatMul: node => {
    node.takes(2);
    return {
      gives: floatKinds([0, 1]),
      run: inputs => [matmul(inputs.tensor(0), inputs.tensor(1) as never) as Tensor],
    };
  },
  Conv: node => {
    node.takes(2, 3);
    const { kernel, strides, dilations, before, trailing } = windowsOf(node);
    const groups = node.int('group', 1);
    return {
      gives: floatKinds([0, 1], [2]),
      run: inputs => {
        const [x, weight] = [inputs.tensor(0), inputs.tensor(1)];
        checkChannels(node, x, weight, inputs.maybe(2), groups, false);
        checkKernel(node, kernel, weight);
        const size = [0, 1].map(d => {
          const room = (x.shape[d + 2] as number) + (before[d] as number) + (trailing[d] as number);
          return (
            Math.floor((room - reach(weight.shape[d + 2] as number, dilations[d] as number)) / (strides[d] as number)) +
            1
          );
        }) as [number, number];
        const how = { strides, padding: before, after: trailing, dilation: dilations, groups };
        return [conv(x, weight, inputs.maybe(2), how, checkSizes(node, size))];
      },
    };
  },
  ConvTranspose: node => {
    node.takes(2, 3);
    const { kernel, strides, dilations, before, trailing } = windowsOf(node);
    const more = node.ints('output_padding') ?? [0, 0];
    const groups = node.int('group', 1);
    return {
      gives: floatKinds([0, 1], [2]),
      run: inputs => {
        const [x, weight] = [inputs.tensor(0), inputs.tensor(1)];
        checkChannels(node, x, weight, inputs.maybe(2), groups, true);
        checkKernel(node, kernel, weight);
        const size = [0, 1].map(d => {
          const spread = ((x.shape[d + 2] as number) - 1) * (strides[d] as number);
          const full = spread + reach(weight.shape[d + 2] as number, dilations[d] as number) + (more[d] ?? 0);
          return full - (before[d] as number) - (trailing[d] as number);
        }) as [number, number];
        const how = { strides, padding: before, dilation: dilations, groups };
        return [convTranspose(x, weight, inputs.maybe(2), how, checkSizes(node, size))];
      },
    };
  },
};
