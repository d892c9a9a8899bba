import { availableParallelism } from 'node:os';
import { Command, InvalidArgumentError } from 'commander';
import { distance } from 'fastest-levenshtein';
import { hasText, type Suite } from './suites/suite.js';

export interface Options {
  readonly suites: readonly Suite[];
  readonly quick: boolean;
  readonly threads: number;
  readonly filter?: string;
  readonly peers?: readonly string[];
  readonly json?: string;
  readonly list: boolean;
  readonly report: boolean;
}

/** The name that was meant, or null when several or none are near. */
function nearest(name: string, names: readonly string[]): string | null {
  const near = names.filter(known => distance(known.toLowerCase(), name.toLowerCase()) <= 2);
  return near.length === 1 ? (near[0] as string) : null;
}

function unknown(what: string, name: string, names: readonly string[]): string {
  const meant = nearest(name, names);
  return `there is no ${what} '${name}'; there are ${names.join(', ')}${meant === null ? '' : `. Did you mean ${meant}?`}`;
}

function wholeThreads(text: string): number {
  const most = availableParallelism();
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || value > most)
    throw new InvalidArgumentError(`a whole number from 1 to ${most}, the cores of this machine, is needed`);
  return value;
}

function text(value: string): string {
  if (value.trim() === '') throw new InvalidArgumentError('some text is needed');
  return value;
}

/** Reads the command line. `configure` may keep commander from ending the process. */
export function readOptions(
  argv: readonly string[],
  all: readonly Suite[],
  configure: (command: Command) => void = () => undefined,
): Options {
  const peerNames = [...new Set(all.flatMap(suite => suite.peers.map(peer => peer.name)))];
  const suiteNames = all.map(suite => suite.name);
  const command = new Command('bench')
    .description(
      "Measure the library against other libraries and this machine's own limits. Writes bench/results/<suite>.json and .svg, and README.md with all of them.",
    )
    .argument('[suites...]', `which of ${suiteNames.join(', ')} (default: all)`)
    .option('--quick', 'a part of the cases, in fewer and shorter rounds', false)
    .option('--threads <n>', 'of every contender', wholeThreads, 1)
    .option('--filter <text>', 'only cases whose name or shape has it; writes no files but that of --json', text)
    .option('--peers <names>', `which of ${peerNames.join(', ')} (default: all that are installed)`, text)
    .option('--json <file>', 'where the rows of all suites go too', text)
    .option('--list', 'name suites, cases and peers, and measure nothing', false)
    .option(
      '--report',
      'write the page and the picture of the results that are there anew, and measure nothing',
      false,
    );
  configure(command);
  command.parse(argv, { from: 'user' });
  const given = command.opts<Omit<Options, 'suites' | 'peers'> & { peers?: string }>();
  const suites =
    command.args.length === 0
      ? all
      : command.args.map(
          name =>
            all.find(suite => suite.name === name) ?? command.error(`error: ${unknown('suite', name, suiteNames)}`),
        );
  const peers = given.peers
    ?.split(',')
    .map(
      name =>
        peerNames.find(known => known.toLowerCase() === name.trim().toLowerCase()) ??
        command.error(`error: ${unknown('peer', name.trim(), peerNames)}`),
    );
  const { filter } = given;
  if (!suites.some(suite => suite.cases(given).some(name => hasText(name, filter))))
    command.error(
      `error: no case has '${filter}' in its name or shape; --list names them all, and with --quick some are left out`,
    );
  return { ...given, suites: [...new Set(suites)], peers };
}
