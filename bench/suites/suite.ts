import type { Peer } from '../contenders/peer.js';
import type { Machine } from '../machine.js';
import type { Row } from '../report/row.js';

/** What names a case. */
export interface CaseName {
  readonly case: string;
  readonly shape: string;
}

/** Whether a case's name or shape has a text, in any case; without a text all do. */
export function hasText(name: CaseName, text: string | undefined): boolean {
  return text === undefined || `${name.case} ${name.shape}`.toLowerCase().includes(text.toLowerCase());
}

export interface Effort {
  /** A part of the cases, in fewer and shorter rounds. */
  readonly quick: boolean;
  /** Of every contender. */
  readonly threads: number;
}

/** How a suite is to be run, and where it tells what happens. */
export interface Context extends Effort {
  /** Whether a case was asked for. */
  chosen(name: CaseName): boolean;
  /** The peers that were asked for, by name; null: all. */
  readonly peers: readonly string[] | null;
  readonly machine: Machine;
  /** Something that was wrong: a contender that crashed, hung or answered wrongly. The run goes on. */
  problem(text: string): void;
  /** The version of somebody who takes part, ours included. */
  version(name: string, version: string): void;
  /** A peer that this machine lacks. */
  missing(peer: Peer): void;
  /** What is being done at the moment. */
  progress(text: string): void;
}

export interface Suite {
  readonly name: string;
  /** One sentence. */
  readonly about: string;
  readonly peers: readonly Peer[];
  cases(effort: Effort): readonly CaseName[];
  run(context: Context): Promise<Row[]>;
}
