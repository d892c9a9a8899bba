import { availableParallelism } from 'node:os';
import { type Options, readOptions } from '../../bench/options';
import { suites } from '../../bench/suites/index';
import { runFile } from '../support/child';

function read(...args: readonly string[]): Options {
  return readOptions(args, suites, command => command.exitOverride().configureOutput({ writeErr: () => undefined }));
}

test('without arguments everything is measured on one thread', () => {
  const options = read();
  expect(options.suites.map(suite => suite.name)).toEqual([
    'gemm',
    'dense',
    'forward',
    'train',
    'conv',
    'norm',
    'rnn',
    'attention',
    'lenet',
    'pictures',
    'sequences',
    'finetune',
    'zoo',
    'elementwise',
    'overhead',
    'predictions',
    'serving',
    'memory',
    'threads',
    'load',
    'deferred',
  ]);
  expect(options).toMatchObject({ quick: false, threads: 1, list: false, report: false });
  expect(options.peers).toBeUndefined();
});

test('suites, peers and the rest are read, peers in any case', () => {
  const options = read(
    'gemm',
    'train',
    'gemm',
    '--quick',
    '--peers',
    'blis, PyTorch',
    '--filter',
    '64',
    '--json',
    'a.json',
  );
  expect(options.suites.map(suite => suite.name)).toEqual(['gemm', 'train']);
  expect(options).toMatchObject({ quick: true, peers: ['BLIS', 'PyTorch'], filter: '64', json: 'a.json' });
  expect(read('--threads', String(availableParallelism())).threads).toBe(availableParallelism());
});

test.each([
  [['gem'], /there is no suite 'gem'; there are gemm, dense, .*\. Did you mean gemm\?/],
  [['--peers', 'OpenBLAS,blsi'], /there is no peer 'blsi'; there are OpenBLAS, BLIS, .*\. Did you mean BLIS\?/],
  [['--peers', ''], /some text is needed/],
  [['--threads', '0'], /a whole number from 1 to \d+, the cores of this machine, is needed/],
  [['--threads', '1.5'], /a whole number from 1/],
  [['--threads', '100000'], /a whole number from 1/],
  [['--filter'], /argument missing/],
  [['gemm', '--filter', 'MNIST'], /no case has 'MNIST' in its name or shape; --list names them all/],
  [['--fast'], /unknown option '--fast'/],
])('%j is refused', (args, message) => {
  expect(() => read(...args)).toThrow(message);
});

test('a bad option ends the process with its message', () => {
  const { status, output } = runFile('bench/index.ts', ['gem']);
  expect(status).toBe(1);
  expect(output).toContain("error: there is no suite 'gem'");
});

test('--list names suites, cases and peers, and measures nothing', () => {
  const { status, output } = runFile('bench/index.ts', ['--list']);
  expect(status).toBe(0);
  for (const part of ['gemm: ', 'W packed once: 64x64x64', 'deferred: ', 'peers:', '  OpenBLAS: ', '  tfjs: '])
    expect(output).toContain(part);
});
