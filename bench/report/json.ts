import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Machine } from '../machine.js';
import type { Row } from './row.js';

/** What a file of results holds. */
export interface Results {
  /** When the run began, in ISO 8601. */
  readonly date: string;
  readonly machine: Machine;
  readonly threads: number;
  readonly quick: boolean;
  /** Versions of the library and of the peers that took part, by name. */
  readonly versions: Readonly<Record<string, string>>;
  /** Peers that the machine lacks, with the commands that install them. */
  readonly missing: Readonly<Record<string, string>>;
  /** What went wrong, in words; what it concerns has no figures. */
  readonly problems: readonly string[];
  readonly rows: readonly Row[];
}

/** Writes results as JSON, one row a line, and makes the folder that they go to. */
export function writeResults(path: string, results: Results): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, toJson(results));
}

/** Numbers with as many digits as a measurement can have. */
const rounded = (_: string, value: unknown): unknown =>
  typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value;

export function toJson({ rows, ...about }: Results): string {
  const head = JSON.stringify(about, rounded, 2).slice(0, -2);
  const lines = rows.map(row => `    ${JSON.stringify(row, rounded)}`);
  return `${head},\n  "rows": [${lines.length === 0 ? '' : `\n${lines.join(',\n')}\n  `}]\n}\n`;
}
