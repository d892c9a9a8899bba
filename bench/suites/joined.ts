import type { Row } from '../report/row.js';
import type { Suite } from './suite.js';

/** Several suites as one, which has the name and the sentence of the first. */
export function joined(first: Suite, ...others: readonly Suite[]): Suite {
  const all = [first, ...others];
  return {
    name: first.name,
    about: first.about,
    peers: [...new Set(all.flatMap(suite => suite.peers))],
    cases: effort => all.flatMap(suite => suite.cases(effort)),
    async run(context) {
      const rows: Row[] = [];
      for (const suite of all) rows.push(...(await suite.run(context)));
      return rows;
    },
  };
}
