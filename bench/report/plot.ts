import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { type EChartsCoreOption, init } from 'echarts';
import { type Row, ratio } from './row.js';

const WIDTH = 800;
const HEAD = 104;
const LINE = 20;
const FONT = 11;
/** The width of a letter on average, generously. */
const LETTER = 0.62 * FONT;
const SYMBOLS = ['circle', 'rect', 'triangle', 'diamond', 'pin', 'arrow'];

/**
 * The plot of a suite: our ratio to each peer, or to other work of our own, row by row on a log scale; right of 1 we are
 * ahead. Null when there is nothing to compare with.
 */
export function plotOf(title: string, rows: readonly Row[]): string | null {
  const othersOf = ({ peers, baselines }: Row): Row['peers'] => ({ ...peers, ...baselines });
  const compared = rows.filter(row => Object.keys(othersOf(row)).length > 0);
  if (compared.length === 0) return null;
  const names = [...new Set(compared.flatMap(row => Object.keys(othersOf(row))))];
  const ratios = compared.flatMap(row =>
    Object.values(othersOf(row)).map(theirs => ratio(row.better, row.ours, theirs)),
  );
  const labels = compared.map(row => `${row.case}  ${row.shape}`);
  const left = Math.ceil(LETTER * Math.max(...labels.map(label => label.length))) + 16;
  const height = HEAD + 20 + LINE * compared.length;
  return drawn(left + WIDTH, height, {
    animation: false,
    backgroundColor: '#fff',
    title: { text: title, left: 10, top: 8, textStyle: { fontSize: 15 } },
    legend: { top: 34, left: 10, itemWidth: 14, itemHeight: 10, itemGap: 28, data: names },
    grid: { left, right: 30, top: HEAD, bottom: 20, outerBoundsMode: 'none' },
    xAxis: {
      type: 'log',
      logBase: 2,
      name: 'times as fast as the other, on a log scale',
      nameLocation: 'middle',
      nameGap: 24,
      position: 'top',
      min: 2 ** Math.floor(Math.log2(Math.min(0.5, ...ratios))),
      max: 2 ** Math.ceil(Math.log2(Math.max(2, ...ratios))),
    },
    yAxis: {
      type: 'category',
      inverse: true,
      data: labels,
      axisLabel: { fontSize: FONT, interval: 0 },
      splitLine: { show: true },
    },
    series: names.map((name, i) => ({
      name,
      type: 'scatter',
      symbol: SYMBOLS[i % SYMBOLS.length],
      symbolSize: 9,
      data: compared.flatMap((row, y) => {
        const theirs = othersOf(row)[name];
        return theirs === undefined ? [] : [[ratio(row.better, row.ours, theirs), y]];
      }),
      ...(i === 0
        ? {
            markLine: {
              silent: true,
              symbol: 'none',
              label: { show: false },
              lineStyle: { color: '#333', type: 'solid' },
              data: [{ xAxis: 1 }],
            },
          }
        : {}),
    })),
  });
}

/** The SVG of a chart: the same for the same options, whatever was drawn before. */
export function drawn(width: number, height: number, options: EChartsCoreOption): string {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width, height });
  chart.setOption(options);
  const svg = chart.renderToSVGString();
  chart.dispose();
  // The library counts the charts of a process in the names of its classes and clips.
  const names = new Map<string, string>();
  return svg.replace(/\bzr\d+-[\w-]+/g, name => {
    if (!names.has(name)) names.set(name, `zr-${names.size}`);
    return names.get(name) as string;
  });
}

/** Writes a plot, and makes the folder that it goes to. */
export function writePlot(path: string, svg: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, svg);
}
