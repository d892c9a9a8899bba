import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { ScatterChart } from 'echarts/charts';
import { GridComponent, LegendComponent, MarkLineComponent, TitleComponent } from 'echarts/components';
import { init, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import { type Row, ratio } from './row.js';

use([ScatterChart, GridComponent, LegendComponent, MarkLineComponent, TitleComponent, SVGRenderer]);

const WIDTH = 1000;
const HEAD = 110;
const LINE = 20;
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
  const height = HEAD + 40 + LINE * compared.length;
  const chart = init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height });
  chart.setOption({
    animation: false,
    backgroundColor: '#fff',
    title: { text: title, left: 10, top: 8, textStyle: { fontSize: 15 } },
    legend: { top: 34, left: 10, data: names },
    grid: { left: 10, right: 30, top: HEAD, bottom: 10, outerBoundsMode: 'same', outerBoundsContain: 'axisLabel' },
    xAxis: {
      type: 'log',
      name: 'times as fast as the other',
      nameLocation: 'middle',
      nameGap: 24,
      position: 'top',
      min: Math.min(0.5, ...ratios) * 0.9,
      max: Math.max(2, ...ratios) * 1.1,
      axisLabel: { formatter: (value: number) => `${Number(value.toPrecision(2))}` },
    },
    yAxis: {
      type: 'category',
      inverse: true,
      data: compared.map(row => `${row.case}  ${row.shape}`),
      axisLabel: { fontSize: 11, interval: 0 },
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
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}

/** Writes a plot, and makes the folder that it goes to. */
export function writePlot(path: string, svg: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, svg);
}
