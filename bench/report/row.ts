export type Unit = 'GFLOP/s' | 'GB/s' | '/s' | 'ms' | 'µs' | 'ns' | 'MB' | 'KB' | '×';

/** One line of a result. */
export interface Row {
  readonly suite: string;
  readonly case: string;
  readonly shape: string;
  readonly threads: number;
  readonly unit: Unit;
  /** Whether more of the unit is better, or less. */
  readonly better: 'more' | 'less';
  readonly ours: number;
  /** The same figure of others, by name. */
  readonly peers: Readonly<Record<string, number>>;
  /** Other work of our own that ours is held against, in the same unit; what we are of it is among the figures. */
  readonly baselines: Readonly<Record<string, number>>;
  /** How far we are ahead of the best peer: above 1 we are, whatever the unit. Null without peers. */
  readonly ratioToBest: number | null;
  /** Ours as a fraction of what the machine itself gave in the same rounds; null where that says nothing. */
  readonly shareOfPeak: number | null;
  /** Half of the distance between the quartiles of our rounds, as a fraction of the median; null when measured once. */
  readonly spread: number | null;
  /** Bytes of our process that the system gave in huge pages, which large products gain by; null where it doesn't tell. */
  readonly hugePages: number | null;
  /** Further figures, by what they are. */
  readonly figures: Readonly<Record<string, number>>;
}

/** Above 1 when ours is the better one. */
export function ratio(better: Row['better'], ours: number, theirs: number): number {
  return better === 'more' ? ours / theirs : theirs / ours;
}

/** The ratio to the best of the peers, which is the smallest; null when there are none. */
export function ratioToBest(better: Row['better'], ours: number, peers: Row['peers']): number | null {
  const ratios = Object.values(peers).map(theirs => ratio(better, ours, theirs));
  return ratios.length === 0 ? null : Math.min(...ratios);
}

type Optional = 'peers' | 'baselines' | 'shareOfPeak' | 'spread' | 'hugePages' | 'figures';

/** A row with its ratio worked out, and our multiple of each baseline among its figures. */
export function makeRow(row: Omit<Row, 'ratioToBest' | Optional> & Partial<Pick<Row, Optional>>): Row {
  const {
    peers = {},
    baselines = {},
    shareOfPeak = null,
    spread = null,
    hugePages = null,
    figures = {},
    ...rest
  } = row;
  const multiples = Object.entries(baselines).map(([name, value]) => [`× ${name}`, row.ours / value]);
  return {
    ...rest,
    peers,
    baselines,
    ratioToBest: ratioToBest(row.better, row.ours, peers),
    shareOfPeak,
    spread,
    hugePages,
    figures: { ...Object.fromEntries(multiples), ...figures },
  };
}

/** The geometric mean of numbers above 0; NaN of none. */
export function geometricMean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}

/** Geometric means of ratios over some rows: to each peer, over the rows where it has a figure, and to the best. */
export interface Means {
  readonly case: string;
  readonly rows: number;
  readonly peers: Readonly<Record<string, number>>;
  readonly best: number;
}

/** Means over the rows of each case that has several, in order, and over all rows that have ratios, as `all`. */
export function meansOf(rows: readonly Row[]): Means[] {
  const compared = rows.filter(row => row.ratioToBest !== null);
  if (compared.length === 0) return [];
  const groups = [...new Set(compared.map(row => row.case))].map(name => compared.filter(row => row.case === name));
  const several = groups.length > 1 ? groups.filter(group => group.length > 1) : [];
  return [...several.map(group => meanOf((group[0] as Row).case, group)), meanOf('all', compared)];
}

function meanOf(name: string, rows: readonly Row[]): Means {
  const names = [...new Set(rows.flatMap(row => Object.keys(row.peers)))];
  const to = (peer: string): number =>
    geometricMean(
      rows.flatMap(({ better, ours, peers }) => (peer in peers ? [ratio(better, ours, peers[peer] as number)] : [])),
    );
  return {
    case: name,
    rows: rows.length,
    peers: Object.fromEntries(names.map(peer => [peer, to(peer)])),
    best: geometricMean(rows.map(row => row.ratioToBest as number)),
  };
}
