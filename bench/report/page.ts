import { describeMachine } from '../machine.js';
import type { Results } from './json.js';
import { type Summary, summariesOf } from './overview.js';
import { type Row, ratio } from './row.js';
import { shortNumber } from './table.js';

const times = (value: number): string => `${value.toFixed(2)} ×`;
const percent = (value: number | null): string => (value === null ? '' : `${(100 * value).toFixed(0)} %`);
const cells = (line: readonly string[]): string => `| ${line.join(' | ')} |`;

function tableOf(head: readonly string[], lines: readonly (readonly string[])[]): string {
  return [cells(head), cells(head.map(() => '---')), ...lines.map(cells)].join('\n');
}

const nameOf = ({ case: name, shape }: Row): string => `${name}, ${shape}`;

/** The page of all results: the picture, a line for each suite, then each suite's rows. */
export function resultsPage(all: readonly Results[]): string {
  const summaries = summariesOf(all);
  const order = summaries.map(({ suite }) => suite);
  const suiteOf = ({ rows }: Results): string => rows[0]?.suite ?? '';
  const placed = [...all].sort((a, b) => (order.indexOf(suiteOf(a)) + 1 || 99) - (order.indexOf(suiteOf(b)) + 1 || 99));
  return `${[
    '# Results',
    'Made by `npm run bench` from the files of this folder. [The benchmark](../README.md) tells how it measures and how to read a row: ' +
      'a ratio above 1 means that latent is ahead, whatever the unit.',
    '![latent against the best other library in each case](overview.svg)',
    tableOf(['suite', 'cases', 'geometric mean', 'lowest', 'highest', 'against'], summaries.map(summaryLine)),
    ...placed.flatMap(results => (results.rows.length === 0 ? [] : suiteSection(results))),
  ].join('\n\n')}\n`;
}

function summaryLine({ suite, what, rows, mean, lowest, highest, peers }: Summary): string[] {
  const at = (row: Row): string => `${times(row.ratioToBest as number)}: ${nameOf(row)}`;
  return [`[${what}](#${suite})`, String(rows), times(mean), at(lowest), at(highest), peers.join(', ')];
}

function suiteSection({ date, machine, threads, versions, problems, rows }: Results): string[] {
  const peers = [...new Set(rows.flatMap(row => Object.keys(row.peers)))];
  const figures = [...new Set(rows.flatMap(row => Object.keys(row.figures)))];
  const hasPeaks = rows.some(row => row.shareOfPeak !== null);
  const head = [
    'case',
    'shape',
    'latent',
    '±',
    ...peers,
    ...(peers.length > 1 ? ['to the best'] : []),
    ...(hasPeaks ? ['of peak'] : []),
    ...figures,
  ];
  const told = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [
    `## ${(rows[0] as Row).suite}`,
    `${date.slice(0, 10)}; ${describeMachine(machine)}; ${threads} ${threads === 1 ? 'thread' : 'threads'}. ${told.join('; ')}.`,
    ...problems.map(problem => `Problem: ${problem.split('\n')[0]}`),
    tableOf(
      head,
      rows.map(row => [
        row.case,
        row.shape,
        `${shortNumber(row.ours)} ${row.unit}`,
        percent(row.spread),
        ...peers.map(peer => {
          const theirs = row.peers[peer];
          return theirs === undefined ? '' : times(ratio(row.better, row.ours, theirs));
        }),
        ...(peers.length > 1 ? [row.ratioToBest === null ? '' : times(row.ratioToBest)] : []),
        ...(hasPeaks ? [percent(row.shareOfPeak)] : []),
        ...figures.map(name => {
          const figure = row.figures[name];
          return figure === undefined ? '' : name.startsWith('of ') ? percent(figure) : shortNumber(figure);
        }),
      ]),
    ),
  ];
}
