import { getBorderCharacters, table } from 'table';
import { meansOf, type Row, ratio } from './row.js';

/** Three digits that count, without an exponent. */
export function shortNumber(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  return size >= 100 || size === 0 ? Math.round(value).toString() : value.toPrecision(3);
}

function percent(value: number | null): string {
  return value === null ? '' : `${(100 * value).toFixed(value < 0.1 ? 1 : 0)} %`;
}

const times = (value: number | null | undefined): string =>
  value === null || value === undefined ? '' : `${value.toFixed(2)} ×`;

function namesIn(rows: readonly Row[], of: 'peers' | 'figures'): string[] {
  return [...new Set(rows.flatMap(row => Object.keys(row[of])))];
}

function lay(lines: readonly (readonly string[])[], leftColumns: number): string {
  const alignment = (i: number) => ({ alignment: i < leftColumns ? ('left' as const) : ('right' as const) });
  return table(lines as string[][], {
    border: getBorderCharacters('norc'),
    columns: (lines[0] as readonly string[]).map((_, i) => alignment(i)),
    drawHorizontalLine: (index, count) => index === 0 || index === 1 || index === count,
  });
}

/** The rows of a suite as a table, our ratio to each peer after its figure, and geometric means of the ratios below. */
export function tableOf(rows: readonly Row[]): string {
  if (rows.length === 0) return 'no cases\n';
  const [peers, figures] = [namesIn(rows, 'peers'), namesIn(rows, 'figures')];
  const shares = rows.some(row => row.shareOfPeak !== null);
  const compared = peers.length > 0;
  const head = [
    'case',
    'shape',
    'unit',
    'latent',
    '±',
    ...peers,
    ...(compared ? ['to the best'] : []),
    ...(shares ? ['of peak'] : []),
    ...figures,
  ];
  const lines = rows.map(row => [
    row.case,
    row.shape,
    row.unit,
    shortNumber(row.ours),
    percent(row.spread),
    ...peers.map(peer => {
      const theirs = row.peers[peer];
      return theirs === undefined ? '' : `${shortNumber(theirs)} (${times(ratio(row.better, row.ours, theirs))})`;
    }),
    ...(compared ? [times(row.ratioToBest)] : []),
    ...(shares ? [percent(row.shareOfPeak)] : []),
    ...figures.map(name => {
      const figure = row.figures[name];
      return figure === undefined ? '' : name.startsWith('of ') ? percent(figure) : shortNumber(figure);
    }),
  ]);
  return lay([head, ...lines], 3) + (compared ? meansTable(rows, peers) : '');
}

function meansTable(rows: readonly Row[], peers: readonly string[]): string {
  const lines = meansOf(rows).map(mean => [
    mean.case,
    String(mean.rows),
    ...peers.map(peer => times(mean.peers[peer])),
    times(mean.best),
  ]);
  return `Geometric means of our ratio (above 1 we are ahead):\n${lay([['case', 'rows', ...peers, 'to the best'], ...lines], 1)}`;
}
