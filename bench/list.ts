import type { Suite } from './suites/suite.js';

/** What there is to measure and to measure with, for --list. */
export function listSuites(suites: readonly Suite[], effort: { quick: boolean; threads: number }): string {
  const lines: string[] = [];
  for (const suite of suites) {
    lines.push(`${suite.name}: ${suite.about}`);
    const cases = suite.cases(effort);
    for (const name of new Set(cases.map(one => one.case)))
      lines.push(`  ${name}: ${cases.flatMap(one => (one.case === name ? [one.shape] : [])).join(', ')}`);
    lines.push('');
  }
  lines.push('peers:');
  for (const peer of new Set(suites.flatMap(suite => suite.peers))) {
    const there = peer.find(effort.threads) !== null;
    lines.push(`  ${peer.name}: ${there ? 'installed' : `missing; to install it: ${peer.install}`}`);
  }
  return lines.join('\n');
}
