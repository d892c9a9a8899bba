import { cpSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { info } from '../../lib/index.js';
import { root } from '../support/child.js';
import { makeProject, packStage, run, stagePrebuilt } from '../support/package.js';
import { type Machine, machines } from './machines.js';

/**
 * The packed package with the prebuilt addons of all systems, which `npm run prebuild:all` makes in half an hour, on those
 * systems that can be run on one Linux machine. jest looks here only where LATENT_TEST_SYSTEMS is 1.
 */
const wanted = process.env.LATENT_TEST_SYSTEM;
const chosen = machines.filter(({ name }) => wanted === undefined || name.includes(wanted));

interface Answer {
  platform: string;
  isa: string;
  build: { target: string; compiler: string };
  last: number;
  predicted: number;
  workers: number;
}

const folder = mkdtempSync(join(tmpdir(), 'latent-systems-'));
const project = join(folder, 'project');
let tarball: string;
let expected: Answer;

function answerOf(text: string): Answer {
  const line = /^answer (.*)$/m.exec(text);
  if (line === null) throw new Error(`no answer in: ${text}`);
  return JSON.parse(line[1] as string) as Answer;
}

function answer(machine: Machine, variables: Readonly<Record<string, string>> = {}): Answer {
  return answerOf(machine.run(project, 'program.cjs', variables));
}

beforeAll(() => {
  stagePrebuilt(join(folder, 'stage'));
  tarball = packStage(join(folder, 'stage'), folder);
  makeProject(project, [tarball]);
  cpSync(join(__dirname, 'program.cjs'), join(project, 'program.cjs'));
  expected = answerOf(run(process.execPath, ['program.cjs'], project));
}, 300_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const setsOf = (machine: Machine): string[] => {
  const all = machine.platform.includes('arm64') ? ['scalar', 'neon'] : ['scalar', 'avx2', 'avx512'];
  // Those that a wider one stands after are there too.
  return machine.platform.includes(process.arch) ? all.slice(0, all.indexOf(info().isa) + 1) : all;
};

test('one tarball holds all of them, in at most 10 MB', () => {
  const { size } = statSync(tarball);
  console.log(`${(size / 1e6).toFixed(2)} MB`);
  expect(size).toBeLessThanOrEqual(10_000_000);
  const targets = require(join(root, 'scripts', 'prebuild', 'targets.js')) as { file: string }[];
  for (const { file } of targets) {
    expect(readFileSync(join(project, 'node_modules', 'latent', 'prebuilds', file)).length).toBeGreaterThan(1e6);
  }
});

for (const machine of chosen) {
  const missing = machine.missing();
  const title = missing === undefined ? machine.name : `${machine.name}: not tried. ${missing}`;
  (missing === undefined ? describe : describe.skip)(title, () => {
    test('trains, predicts and starts workers with the prebuilt addon and its widest instruction set', () => {
      const got = answer(machine, { WORKERS: '24' });
      expect(got.platform).toBe(machine.platform);
      expect(got.build.compiler).toMatch(/^Clang/);
      expect(got.isa).toBe(setsOf(machine).at(-1));
      expect(got.last).toBeCloseTo(expected.last, 5);
      expect(got.predicted).toBeCloseTo(expected.predicted, 4);
      expect(got.workers).toBe(27);
    });

    test('reaches each instruction set by name', () => {
      for (const isa of setsOf(machine)) {
        const got = answer(machine, { LATENT_ISA: isa });
        expect(got.isa).toBe(isa);
        expect(got.last).toBeCloseTo(expected.last, 5);
      }
    });
  });
}
