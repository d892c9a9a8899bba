import { addon } from '../../lib/native/addon.js';
import { ints, limits, numbersOf, Place, Status, session } from '../../lib/native/register.js';

test('the numbers of both sides are one list: a name that the addon lacks raises when the library is loaded', () => {
  expect(() => numbersOf('statuses', ['ok', 'missing'])).toThrow(/no number for 'missing' \(statuses\); rebuild it/);
  expect(() => numbersOf('missing', ['ok'])).toThrow(/no number for 'ok' \(missing\)/);
});

test('no two places of the register overlap, and all lie in it', () => {
  const { ints, reals } = addon.protocol as Record<'ints' | 'reals', Record<string, number>>;
  const sizes: Readonly<Record<string, number>> = {
    inputIds: limits.inputs,
    ints: limits.intArguments,
    moreIds: 2,
    moreRanks: 2,
    outputShape: limits.rank,
    reals: limits.realArguments,
    scalars: limits.inputs,
    moreShapes: 2 * limits.rank,
  };
  for (const [group, room] of [
    [ints, limits.intPlaces],
    [reals, limits.realPlaces],
  ] as const) {
    const taken = Object.entries(group).flatMap(([name, at]) =>
      Array.from({ length: sizes[name] ?? 1 }, (_, i) => at + i),
    );
    expect(new Set(taken).size).toBe(taken.length);
    expect(Math.max(...taken)).toBeLessThan(room);
  }
  expect(Place.status).toBe(ints.status);
});

test('a debug build tells which contract was broken', () => {
  ints[Place.opcode] = -1;
  session.call(undefined);
  expect(ints[Place.status]).toBe(Status.contract);
  // The build that is published keeps no places.
  expect(addon.brokenContract() ?? 'session.cc:1').toMatch(/session\.cc:\d+$/);
});
