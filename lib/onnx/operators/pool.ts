import { avgPool, maxPool } from '../../ops/pool.js';
import { pad } from '../../ops/repeat.js';
import type { Tensor } from '../../tensor/tensor.js';
import type { Call, Emitter, Exporter } from '../emitter.js';
import { floatKinds } from '../kind.js';
import type { Importer, NodeReader } from '../reader.js';
import { known, plus, type Size } from '../sizes.js';
import { trailing, windowsOf } from './products.js';

type Pair = readonly [number, number];

interface Windows {
  readonly size: Pair;
  readonly strides: Pair;
  readonly padding: Pair;
  readonly after?: Pair | undefined;
  readonly countsOutside: boolean;
}

/** How far the last windows reach beyond so many elements of padding at each end. */
function reachOf(call: Call, before: readonly number[], around: readonly number[]): number[] {
  const { size, strides, padding, after } = call.attrs as Windows;
  const { shape } = call.value(0);
  if (shape.length !== 4) call.refuse(`has ${call.name} work on ${shape.length} dimensions`);
  return [0, 1].map(d =>
    trailing(call, {
      kernel: size[d] as number,
      stride: strides[d] as number,
      padding: before[d] as number,
      // Padding that became elements is no longer reached beyond them.
      after: after && (after[d] as number) - ((padding[d] as number) - (before[d] as number)),
      size: plus(shape[d + 2] as Size, known(around[d] as number)),
      count: call.output.shape[d + 2] as Size,
    }),
  );
}

export const exporters: Readonly<Record<string, Exporter>> = {
  maxPool: (e, call) => {
    const { size, strides, padding } = call.attrs as Windows;
    return e.node('MaxPool', [e.name(call.value(0))], {
      kernel_shape: size,
      strides,
      pads: [...padding, ...reachOf(call, padding, [0, 0])],
    });
  },
  avgPool: (e, call) => {
    const { size, strides, padding, countsOutside } = call.attrs as Windows;
    const x = e.name(call.value(0));
    const pool = (name: string, pads: readonly number[], counts: boolean): string =>
      e.node('AveragePool', [name], {
        kernel_shape: size,
        strides,
        pads,
        count_include_pad: Number(counts),
      });
    const reach = reachOf(call, padding, [0, 0]);
    if (!countsOutside || reach.every((n, d) => n <= (padding[d] as number)))
      return pool(x, [...padding, ...reach], countsOutside);
    // Zeros around the input count, what the last windows reach beyond them doesn't: the zeros become elements.
    const padded = pads(e, call, x, padding);
    return pool(
      padded,
      [
        0,
        0,
        ...reachOf(
          call,
          [0, 0],
          padding.map(n => 2 * n),
        ),
      ],
      false,
    );
  },
};

function pads(e: Emitter, call: Call, x: string, padding: Pair): string {
  if (padding.every(n => n === 0)) return x;
  return e.node('Pad', [x, e.list([0, 0, ...padding, 0, 0, ...padding]), e.scalar(0, call.output.dtype)]);
}

// ---------- from files

function pooling(node: NodeReader, isAverage: boolean): ReturnType<Importer> {
  node.takes(1);
  const { kernel, strides, dilations, before, trailing } = windowsOf(node);
  node.only('ceil_mode', 0);
  if (dilations.some(d => d !== 1)) node.refuse('windows with gaps are not known');
  const size: Pair = kernel ?? node.refuse("attribute 'kernel_shape' is missing");
  if ([...before, ...trailing].some((n, i) => n >= (size[i % 2] as number)))
    node.refuse('what lies around the input is as wide as the windows');
  const countsOutside = isAverage ? node.int('count_include_pad', 0) !== 0 : true;
  if (!isAverage) node.only('storage_order', 0);
  return {
    gives: floatKinds([0]),
    run: inputs => {
      const given = inputs.tensor(0);
      if (given.ndim !== 4) node.refuse(`takes 4 dimensions, but got ${given.ndim}`);
      const asymmetric = isAverage && countsOutside && trailing.some((n, d) => n > (before[d] as number));
      const sides = [0, 1].map(d => [before[d] as number, trailing[d] as number] as const);
      const x = asymmetric ? pad(given, [[0, 0], [0, 0], ...sides]) : given;
      const padding = asymmetric ? ([0, 0] as const) : before;
      const after = asymmetric ? ([0, 0] as const) : trailing;
      const count = [0, 1].map(d => {
        const room = (x.shape[d + 2] as number) + (padding[d] as number) + (after[d] as number);
        return Math.floor((room - (size[d] as number)) / (strides[d] as number)) + 1;
      }) as [number, number];
      if (count.some(n => n < 0)) node.refuse('the windows are larger than their input');
      const windows = { size, strides, padding, after, count, countsOutside };
      return [(isAverage ? avgPool(x, windows) : maxPool(x, windows)) as Tensor];
    },
  };
}

export const importers: Readonly<Record<string, Importer>> = {
  MaxPool: node => pooling(node, false),
  AveragePool: node => pooling(node, true),
};
