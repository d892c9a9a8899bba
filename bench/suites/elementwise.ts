import { pytorch } from '../contenders/pytorch.js';
import { worker } from '../contenders/workers.js';
import type { ElementwiseOp, ElementwiseSpec } from '../workers/latent-elementwise.js';
import { type Comparison, comparisonSuite } from './comparison.js';
import { OF_BANDWIDTH } from './names.js';
import type { Roof } from './roof.js';

const FLOAT = 4;
const sizeOf = (shape: readonly number[]): number => shape.reduce((product, extent) => product * extent, 1);

/** Which of the machine's ways of moving data an operation is held against. */
const patterns: Readonly<Record<ElementwiseOp, 'read' | 'copy' | 'triad'>> = {
  add: 'triad',
  'add number': 'copy',
  relu: 'copy',
  exp: 'copy',
  gelu: 'copy',
  softmax: 'copy',
  sum: 'read',
  mean: 'read',
};

interface Wanted {
  readonly title: string;
  readonly op: ElementwiseOp;
  readonly shape: readonly number[];
  readonly other?: readonly number[];
  readonly axis?: number;
}

function elementwiseCase({ title, op, shape, other, axis }: Wanted): Comparison {
  const size = sizeOf(shape);
  const reduces = op === 'sum' || op === 'mean';
  const outputs = !reduces ? size : axis === undefined ? 1 : size / (shape[axis] as number);
  const bytes = FLOAT * (size + outputs + (op === 'add' ? sizeOf(other ?? shape) : 0));
  const broadcasts = other !== undefined;
  const roof: Roof = { kind: broadcasts ? 'copy' : patterns[op], work: bytes, bytes };
  const spec: ElementwiseSpec = {
    kind: 'elementwise',
    op,
    shape,
    ...(other === undefined ? {} : { other }),
    ...(axis === undefined ? {} : { axis }),
  };
  return {
    case: title,
    shape: shape.join('x') + (broadcasts ? ` + ${other.join('x')}` : ''),
    unit: 'µs',
    better: 'less',
    figure: seconds => seconds * 1e6,
    spec,
    tolerance: reduces ? 1e-4 : 1e-5,
    roofs: [{ name: OF_BANDWIDTH, roof }],
    figures: ({ ours }) => ({ 'GB/s': bytes / ours / 1e9 }),
  };
}

export const elementwise = comparisonSuite({
  name: 'elementwise',
  about:
    'operations on float32 elements, from TypeScript; shares are of the bandwidth of the level of cache that holds the data, and the smallest sizes show what a call costs',
  peers: [pytorch],
  ours: threads => worker('latent', [String(threads)]),
  cases({ quick }) {
    const lengths = quick ? [1, 1e4, 1e6] : [1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7];
    const matrices = quick
      ? [[128, 784]]
      : [
          [32, 32],
          [128, 784],
          [1000, 1000],
          [10_000, 1000],
        ];
    const alike = (['add', 'add number', 'relu', 'exp', 'gelu'] as const).flatMap(op =>
      lengths.map(length => elementwiseCase({ title: op, op, shape: [length] })),
    );
    const byMatrix = matrices.flatMap(shape => {
      const [n, m] = shape as [number, number];
      return [
        elementwiseCase({ title: 'add, a row to all', op: 'add', shape, other: [m] }),
        elementwiseCase({ title: 'add, a column to all', op: 'add', shape, other: [n, 1] }),
        elementwiseCase({ title: 'softmax', op: 'softmax', shape }),
        ...(['sum', 'mean'] as const).flatMap(op => [
          elementwiseCase({ title: `${op} of all`, op, shape }),
          elementwiseCase({ title: `${op}, axis 0`, op, shape, axis: 0 }),
          elementwiseCase({ title: `${op}, axis 1`, op, shape, axis: 1 }),
        ]),
      ];
    });
    return [...alike, ...byMatrix];
  },
});
