/**
 * Measures what this machine gives and what the library makes of it. Every figure is taken in interleaved rounds within
 * one run, and shown as a ratio or a share: machines are shared, and absolute times prove nothing.
 */
import { Command } from 'commander';
import { suites } from './suites.js';

const command = new Command('bench')
  .description('Measure the library against this machine.')
  .argument('[suites...]', `which of ${Object.keys(suites).join(', ')} (default: all)`)
  .option('--quick', 'fewer rounds', false)
  .parse();

const chosen = command.args.length === 0 ? Object.keys(suites) : command.args;
for (const name of chosen) {
  const suite =
    suites[name] ?? command.error(`error: there is no suite '${name}'; there are ${Object.keys(suites).join(', ')}`);
  console.log(`\n${name}: ${suite.about}`);
  const rows = suite.run(command.opts<{ quick: boolean }>().quick ? 5 : 15);
  console.table(Object.fromEntries(rows.map(({ row, ...figures }) => [row, figures])));
}
