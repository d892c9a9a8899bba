import type { Launch } from './contender.js';

/** Another library that can be measured beside ours. */
export interface Peer {
  /** As tables and --peers name it. */
  readonly name: string;
  /** The command that installs it. */
  readonly install: string;
  /**
   * How to start it on so many threads: one or more ways, of which the fastest counts in each case; null when this
   * machine lacks it.
   */
  find(threads: number): readonly Launch[] | null;
}
