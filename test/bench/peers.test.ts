import { findLibrary } from '../../bench/contenders/blas';
import { suites } from '../../bench/suites/index';

test('a library that no folder has is none', () => {
  expect(findLibrary('libnone-of-that-name')).toBeNull();
});

const peers = [...new Set(suites.flatMap(suite => suite.peers))];

test('no two peers have one name', () => {
  expect(new Set(peers.map(peer => peer.name)).size).toBe(peers.length);
});

test.each(peers.map(peer => [peer.name, peer] as const))(
  '%s is found with its threads, or tells what installs it',
  (_, peer) => {
    expect(peer.install).toMatch(/install|npm ci/);
    for (const { args, env } of peer.find(3) ?? []) {
      expect(args.length).toBeGreaterThan(0);
      expect(env).toMatchObject({ OMP_NUM_THREADS: '3', OPENBLAS_NUM_THREADS: '3' });
    }
  },
);
