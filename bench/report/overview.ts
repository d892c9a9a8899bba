import type { Results } from './json.js';
import { drawn } from './plot.js';
import { meansOf, type Row } from './row.js';

/** A suite's ratios to the best peer in each case: above 1 we are ahead. */
export interface Summary {
  readonly suite: string;
  /** The subject of the suite, in a few words. */
  readonly what: string;
  readonly rows: number;
  /** The geometric mean. */
  readonly mean: number;
  readonly lowest: Row;
  readonly highest: Row;
  readonly peers: readonly string[];
}

/** Suites in the order in which a reader looks for them, with what each is about in a few words. */
const subjects: Readonly<Record<string, string>> = {
  pictures: 'convolutional nets, predictions',
  sequences: 'transformers and speech, predictions',
  forward: 'dense nets, predictions',
  lenet: 'LeNet, predictions and training',
  train: 'dense nets, training steps',
  finetune: 'convolutional nets, training steps',
  zoo: 'single layers of known models',
  conv: 'convolutions',
  rnn: 'recurrent layers',
  attention: 'attention and encoders',
  norm: 'normalization and pooling',
  gemm: 'matrix products',
  elementwise: 'elementwise operations, reductions',
  predictions: 'predictions beside the event loop',
  serving: 'a server for predictions',
  memory: 'memory of training loops',
};

/** The summaries of results that have peers, those of suites that are not among the subjects last. */
export function summariesOf(all: readonly Results[]): Summary[] {
  const names = Object.keys(subjects);
  const placeOf = ({ suite }: Summary): number => names.indexOf(suite) + 1 || names.length + 1;
  return all.flatMap(({ rows }) => summaryOf(rows) ?? []).sort((a, b) => placeOf(a) - placeOf(b));
}

function summaryOf(rows: readonly Row[]): Summary | null {
  const compared = rows
    .filter(row => row.ratioToBest !== null)
    .sort((a, b) => (a.ratioToBest as number) - (b.ratioToBest as number));
  const [lowest, highest] = [compared[0], compared.at(-1)];
  if (lowest === undefined || highest === undefined) return null;
  const { suite } = lowest;
  return {
    suite,
    what: subjects[suite] ?? suite,
    rows: compared.length,
    mean: meansOf(compared).at(-1)?.best as number,
    lowest,
    highest,
    peers: [...new Set(compared.flatMap(row => Object.keys(row.peers)))],
  };
}

const WIDTH = 860;
const LEFT = 250;
const LINE = 30;
const HEAD = 92;
/** Ratios beyond these are drawn at the edge. */
const [LEAST, MOST] = [0.25, 8];

/** The picture of all suites: for each a bar from the lowest to the highest ratio, and a point at the geometric mean. */
export function overviewPlot(summaries: readonly Summary[]): string {
  const inside = (ratio: number): number => Math.min(MOST, Math.max(LEAST, ratio));
  const ranges = summaries.map(({ lowest, highest }, y) => ({
    coords: [
      [inside(lowest.ratioToBest as number), y],
      [inside(highest.ratioToBest as number), y],
    ],
  }));
  return drawn(WIDTH, HEAD + 20 + LINE * summaries.length, {
    animation: false,
    backgroundColor: '#fff',
    title: {
      text: 'latent against the best other library in each case',
      subtext: 'point: geometric mean of the cases; bar: from the lowest to the highest',
      left: 10,
      top: 6,
      itemGap: 4,
      textStyle: { fontSize: 15 },
    },
    grid: { left: LEFT, right: 60, top: HEAD, bottom: 20, outerBoundsMode: 'none' },
    xAxis: {
      type: 'log',
      logBase: 2,
      name: 'times as fast, on a log scale',
      nameLocation: 'middle',
      nameGap: 22,
      position: 'top',
      min: LEAST,
      max: MOST,
    },
    yAxis: {
      type: 'category',
      inverse: true,
      data: summaries.map(({ what }) => what),
      axisLabel: { fontSize: 12, interval: 0 },
    },
    series: [
      {
        type: 'lines',
        coordinateSystem: 'cartesian2d',
        data: ranges,
        lineStyle: { color: '#9db8d9', width: 8, opacity: 1, cap: 'round' },
      },
      {
        type: 'scatter',
        symbolSize: 11,
        itemStyle: { color: '#1d4f91' },
        data: summaries.map(({ mean }, y) => [inside(mean), y]),
        label: {
          show: true,
          position: 'top',
          distance: 2,
          fontSize: 11,
          color: '#222',
          formatter: ({ dataIndex }: { dataIndex: number }) => (summaries[dataIndex] as Summary).mean.toFixed(2),
        },
        markLine: {
          silent: true,
          symbol: 'none',
          label: { show: false },
          lineStyle: { color: '#333', type: 'solid' },
          data: [{ xAxis: 1 }],
        },
      },
    ],
  });
}
