import { Contender, ContenderError, type Launch } from '../contenders/contender.js';
import type { Peer } from '../contenders/peer.js';
import { type Answer, difference, type Spec } from '../contenders/protocol.js';
import { worker } from '../contenders/workers.js';
import { makeRow, type Row, type Unit } from '../report/row.js';
import { spreadOf } from '../report/statistics.js';
import { interleave, perIteration, type Rounds, roundsOf } from '../rounds.js';
import { type Roof, shareOf } from './roof.js';
import type { CaseName, Context, Effort, Suite } from './suite.js';

/** A case in which we and others do the same work. */
export interface Comparison extends CaseName {
  readonly unit: Unit;
  /** The figure of the unit that one iteration in so many seconds comes to. */
  figure(seconds: number): number;
  readonly better: Row['better'];
  readonly spec: Spec;
  /** The largest difference from our answer that is none, as a fraction of our largest element. */
  readonly tolerance: number;
  /** Other work of our own to hold this against, by name; its answer isn't compared. */
  readonly baselines?: Readonly<Record<string, Spec>>;
  /** Peers that sit this one out, by name. */
  readonly without?: readonly string[];
  /** The limits that the machine sets, by the name of our share of them; the first is shareOfPeak. */
  readonly roofs: readonly { readonly name: string; readonly roof: Roof }[];
  /** Where the case has its own number of threads, which its spec tells. */
  readonly threads?: number;
  /** Further figures, from seconds per iteration, ours and those of baselines, and from what roofs gave per second. */
  figures?(seconds: Seconds): Record<string, number>;
}

export interface Seconds {
  readonly ours: number;
  readonly baselines: Readonly<Record<string, number>>;
  readonly roofs: Readonly<Record<string, number>>;
}

export interface ComparisonSuite {
  readonly name: string;
  readonly about: string;
  readonly peers: readonly Peer[];
  /** How our own contender is started. */
  ours(threads: number): Launch;
  cases(effort: Effort): readonly Comparison[];
  /** Milliseconds that any one request may take; a minute unless given. */
  readonly timeout?: number;
}

const OURS = 'latent';

/** A peer's process, and what tells it from its others. */
interface Way {
  readonly contender: Contender;
  readonly version: string;
}

/** How a peer's ways are told apart: shortly, by the fastest round of each, so that a disturbance decides nothing. */
const SELECTION: Rounds = { count: 4, seconds: 0.005, settling: 0 };

/** A suite whose cases are timed in rounds, in which all contenders take turns. */
export function comparisonSuite(definition: ComparisonSuite): Suite {
  const { name, about, peers } = definition;
  return {
    name,
    about,
    peers,
    cases: effort => definition.cases(effort),
    async run(context) {
      const match = new Match(definition, context);
      try {
        return await match.run();
      } finally {
        await match.close();
      }
    },
  };
}

class Match {
  readonly #suite: ComparisonSuite;
  readonly #context: Context;
  readonly #timeout: number;
  /** The peers that take part, by name; who failed is gone. */
  readonly #peers = new Map<string, readonly Way[]>();
  /** Our own processes for baselines and roofs, by name. */
  readonly #own = new Map<string, Contender>();

  constructor(suite: ComparisonSuite, context: Context) {
    this.#suite = suite;
    this.#context = context;
    this.#timeout = suite.timeout ?? 60_000;
  }

  async run(): Promise<Row[]> {
    const cases = this.#suite.cases(this.#context).filter(one => this.#context.chosen(one));
    if (cases.length === 0) return [];
    await this.#startPeers();
    const rows: Row[] = [];
    for (const [i, one] of cases.entries()) {
      this.#context.progress(`${this.#suite.name} ${i + 1}/${cases.length}: ${one.case} ${one.shape}`);
      const row = await this.#measure(one);
      if (row !== null) rows.push(row);
    }
    return rows;
  }

  async close(): Promise<void> {
    const peers = [...this.#peers.values()].flat().map(({ contender }) => contender);
    await Promise.all([...peers, ...this.#own.values()].map(contender => contender.close()));
  }

  async #startPeers(): Promise<void> {
    const { threads, peers: wanted } = this.#context;
    for (const peer of this.#suite.peers) {
      if (wanted !== null && !wanted.includes(peer.name)) continue;
      const launches = peer.find(threads);
      if (launches === null) this.#context.missing(peer);
      else await this.#startPeer(peer, launches);
    }
  }

  /** Starts a peer in each way that there is; ways that come to the same version are one. */
  async #startPeer(peer: Peer, launches: readonly Launch[]): Promise<void> {
    const ways: Way[] = [];
    for (const launch of launches) {
      this.#context.progress(`${this.#suite.name}: starting ${peer.name} ${launch.label}`);
      try {
        const { contender, version } = await Contender.start(peer.name, launch, this.#timeout);
        if (ways.some(way => way.version === version)) await contender.close();
        else ways.push({ contender, version });
      } catch (error) {
        this.#context.problem(told(error));
      }
    }
    if (ways.length === 0) return;
    this.#peers.set(peer.name, ways);
    const versions = ways.map(({ version }) => version).join(', or ');
    this.#context.version(peer.name, ways.length > 1 ? `${versions}: in each case the faster` : versions);
  }

  /** One of our own processes, started when first asked for, and again after it failed. */
  async #ownContender(name: string, launch: Launch): Promise<Contender> {
    const running = this.#own.get(name);
    if (running !== undefined) return running;
    const { contender, version } = await Contender.start(name, launch, this.#timeout);
    this.#own.set(name, contender);
    if (name === OURS) this.#context.version(name, version);
    return contender;
  }

  async #measure(one: Comparison): Promise<Row | null> {
    const { threads } = this.#context;
    const title = `${one.case} ${one.shape}`;
    let us: Contender;
    let answer: Answer | null;
    try {
      us = await this.#ownContender(OURS, this.#suite.ours(threads));
      const { unsupported } = await us.prepare(one.spec, title);
      if (unsupported !== null) throw new ContenderError(`${OURS} can't do ${title}: ${unsupported}`);
      answer = this.#opponents(one).length === 0 ? null : await us.answer(title);
    } catch (error) {
      await this.#dropOwn(OURS, error);
      return null;
    }
    const peers = await this.#preparePeers(one, title, answer);
    const baselines = await this.#prepareBaselines(one, title);
    const roofs = await this.#prepareRoofs(one, title);
    const all = [us, ...peers, ...baselines, ...roofs.map(({ contender }) => contender)];
    const rounds = await interleave(all, roundsOf(this.#context.quick), title, (contender, error) => {
      void (peers.includes(contender) ? this.#dropPeer(contender, error) : this.#dropOwn(contender.name, error));
    });
    const seconds = new Map(all.map((contender, i) => [contender, perIteration(rounds[i])]));
    const ours = seconds.get(us) ?? null;
    if (ours === null) return null;
    const known = (contenders: readonly Contender[], value: (seconds: number) => number): Record<string, number> =>
      Object.fromEntries(
        contenders.flatMap(contender => {
          const taken = seconds.get(contender) ?? null;
          return taken === null ? [] : [[contender.name, value(taken)]];
        }),
      );
    const perSecond = Object.fromEntries(
      roofs.flatMap(({ name, work, contender }) =>
        Object.values(known([contender], taken => work / taken)).map(value => [name, value]),
      ),
    );
    const shares = roofs.flatMap(({ name, roof }) => {
      const value = perSecond[name];
      return value === undefined ? [] : [[name, shareOf(roof, ours, value)] as const];
    });
    return makeRow({
      suite: this.#suite.name,
      case: one.case,
      shape: one.shape,
      threads: one.threads ?? threads,
      unit: one.unit,
      better: one.better,
      ours: one.figure(ours),
      peers: known(peers, one.figure),
      baselines: known(baselines, one.figure),
      shareOfPeak: shares[0]?.[1] ?? null,
      spread: spreadOf(rounds[0] as number[]),
      hugePages: await us.hugePages(title).catch(() => null),
      figures: {
        ...Object.fromEntries(shares.slice(1)),
        ...one.figures?.({ ours, baselines: known(baselines, taken => taken), roofs: perSecond }),
      },
    });
  }

  #opponents({ without = [] }: Comparison): [string, readonly Way[]][] {
    return [...this.#peers].filter(([name]) => !without.includes(name));
  }

  /** The peers that can do the case and answer it as we do, each in its fastest way. */
  async #preparePeers(one: Comparison, title: string, ours: Answer | null): Promise<Contender[]> {
    const chosen: Contender[] = [];
    if (ours === null) return chosen;
    for (const [name, ways] of this.#opponents(one)) {
      const able: Contender[] = [];
      for (const { contender } of ways) {
        try {
          const { unsupported } = await contender.prepare(one.spec, title);
          if (unsupported !== null) continue;
          const wrong = difference(ours, await contender.answer(title), one.tolerance);
          if (wrong === null) able.push(contender);
          else this.#context.problem(`${name} answers ${title} wrongly, or we do: ${wrong}; its time is left out`);
        } catch (error) {
          await this.#dropPeer(contender, error);
        }
      }
      const fastest = able.length < 2 ? able[0] : await this.#fastest(able, title);
      if (fastest !== undefined) chosen.push(fastest);
    }
    return chosen;
  }

  async #fastest(contenders: readonly Contender[], title: string): Promise<Contender | undefined> {
    const rounds = await interleave(contenders, SELECTION, title, (contender, error) => {
      void this.#dropPeer(contender, error);
    });
    const least = rounds.map(seconds => Math.min(...seconds));
    return contenders[least.indexOf(Math.min(...least))];
  }

  async #prepareBaselines(one: Comparison, title: string): Promise<Contender[]> {
    const ready: Contender[] = [];
    for (const [name, spec] of Object.entries(one.baselines ?? {})) {
      try {
        const contender = await this.#ownContender(name, this.#suite.ours(this.#context.threads));
        await contender.prepare(spec, title);
        ready.push(contender);
      } catch (error) {
        await this.#dropOwn(name, error);
      }
    }
    return ready;
  }

  async #prepareRoofs(one: Comparison, title: string) {
    const { threads } = this.#context;
    const ready: { name: string; roof: Roof; work: number; contender: Contender }[] = [];
    for (const { name, roof } of one.roofs) {
      try {
        const contender = await this.#ownContender(name, worker('roof'));
        const { work = 0 } = await contender.prepare({ kind: 'roof', roof, threads: roof.threads ?? threads }, title);
        ready.push({ name, roof, work, contender });
      } catch (error) {
        await this.#dropOwn(name, error);
      }
    }
    return ready;
  }

  /** Tells what a peer did wrong, which is out of what is left of the suite. */
  async #dropPeer(contender: Contender, error: unknown): Promise<void> {
    const ways = this.#peers.get(contender.name) ?? [];
    const others = ways.filter(way => way.contender !== contender);
    if (others.length === 0) this.#peers.delete(contender.name);
    else this.#peers.set(contender.name, others);
    this.#context.problem(`${told(error)}; it is left out of what remains of ${this.#suite.name}`);
    await contender.close();
  }

  /** Tells what a process of our own did wrong; the next case starts it anew. */
  async #dropOwn(name: string, error: unknown): Promise<void> {
    const contender = this.#own.get(name);
    this.#own.delete(name);
    this.#context.problem(told(error));
    await contender?.close();
  }
}

function told(error: unknown): string {
  if (error instanceof ContenderError) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
