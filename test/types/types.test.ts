import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { full } from '../support/random.js';

const cases = join(__dirname, 'cases');

/** Where a compiler lies that is installed under a name. */
function compilerOf(name: string): string {
  return join(dirname(require.resolve(`${name}/package.json`)), 'bin', 'tsc');
}

interface Problem {
  file: string;
  line: number;
  /** The code and the whole text, with what stands below it. */
  text: string;
}

function run(compiler: string, ...args: string[]): string {
  const { stdout, stderr, error } = spawnSync(process.execPath, [compilerOf(compiler), ...args, '--pretty', 'false'], {
    cwd: cases,
    encoding: 'utf8',
  });
  if (error !== undefined) throw error;
  if (stderr !== '') throw new Error(`the compiler failed: ${stderr}`);
  return stdout;
}

/** What a compiler says of the cases, as if they were a user's own project. */
function compile(project: string, compiler = 'typescript'): Problem[] {
  const stdout = run(compiler, '-p', join(cases, project));
  const problems: Problem[] = [];
  for (const line of stdout.split('\n')) {
    const start = /^(\S+?)\((\d+),\d+\): error (TS\d+: .*)$/.exec(line);
    if (start !== null) problems.push({ file: start[1]!, line: Number(start[2]), text: start[3]! });
    else if (problems.length > 0) problems.at(-1)!.text += `\n${line}`;
  }
  if (stdout !== '' && problems.length === 0) throw new Error(`the compiler failed: ${stdout}`);
  return problems;
}

const problems = compile('tsconfig.json');
const of = (name: string) => problems.filter(({ file }) => file.endsWith(name));
const wrong = readFileSync(join(cases, 'wrong.ts'), 'utf8').split('\n');
/** The line after each mark, and what the mark says its error reads. */
const marks = wrong.flatMap((line, i) => {
  const mark = /^\s*\/\/@@ (.+)$/.exec(line);
  return mark === null ? [] : [{ line: i + 2, code: wrong[i + 1]!.trim(), expected: mark[1]! }];
});

it.each(['right.ts', 'everyday.ts'])('%s compiles', name => {
  expect(of(name)).toEqual([]);
});

it('the declarations hold under exactOptionalPropertyTypes, and options of data and metric may be undefined', () => {
  expect(compile('tsconfig.absent.json')).toEqual([]);
});

it('the library itself compiles under the settings of a user', () => {
  expect(problems.filter(({ file }) => !/(right|everyday|wrong)\.ts$/.test(file))).toEqual([]);
});

it.each(marks)('line $line of wrong.ts fails: $code', ({ line, expected }) => {
  const here = of('wrong.ts').filter(problem => problem.line === line);
  expect(here).not.toEqual([]);
  expect(here.map(({ text }) => text).join('\n')).toContain(expected);
});

const markedLines = new Set(marks.map(({ line }) => line));

it('nothing else in wrong.ts fails', () => {
  expect(marks.length).toBeGreaterThan(30);
  expect(of('wrong.ts').filter(({ line }) => !markedLines.has(line))).toEqual([]);
});

// The declarations that users get, checked with the compilers that they may have: by default the oldest, which knows least.
const compilers = full ? ['typescript-5.4', 'typescript-5.9', 'typescript'] : ['typescript-5.4'];
describe.each(compilers)('the declarations under %s', compiler => {
  let found: Problem[];
  beforeAll(() => {
    found = compile('tsconfig.declarations.json', compiler);
  });

  it('let right code be, and their own', () => {
    expect(found.filter(({ file }) => !file.endsWith('wrong.ts'))).toEqual([]);
  });

  it('refuse wrong code, and say why', () => {
    const silent = marks.filter(
      ({ line, expected }) =>
        !found.some(({ file, line: at, text }) => file.endsWith('wrong.ts') && at === line && text.includes(expected)),
    );
    expect(silent).toEqual([]);
    expect(found.filter(({ file, line }) => file.endsWith('wrong.ts') && !markedLines.has(line))).toEqual([]);
  });

  it('check a net of fifty layers within 60,000 instantiations', () => {
    const stdout = run(compiler, '-p', join(cases, 'tsconfig.deep.json'), '--extendedDiagnostics');
    expect(stdout).not.toMatch(/error TS/);
    const instantiations = Number(/Instantiations:\s+(\d+)/.exec(stdout)?.[1]);
    expect(instantiations).toBeGreaterThan(10_000);
    expect(instantiations).toBeLessThan(60_000);
  });
});
