import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const cases = join(__dirname, 'cases');
const compiler = join(dirname(require.resolve('typescript/package.json')), 'bin', 'tsc');

interface Problem {
  file: string;
  line: number;
  /** The code and the whole text, with what stands below it. */
  text: string;
}

/** What the compiler says of the cases, as if they were a user's own project. */
function compile(project: string): Problem[] {
  const { stdout, stderr, error } = spawnSync(
    process.execPath,
    [compiler, '-p', join(cases, project), '--pretty', 'false'],
    { cwd: cases, encoding: 'utf8' },
  );
  if (error !== undefined) throw error;
  const problems: Problem[] = [];
  for (const line of stdout.split('\n')) {
    const start = /^(\S+?)\((\d+),\d+\): error (TS\d+: .*)$/.exec(line);
    if (start !== null) problems.push({ file: start[1]!, line: Number(start[2]), text: start[3]! });
    else if (problems.length > 0) problems.at(-1)!.text += `\n${line}`;
  }
  if (stdout !== '' && problems.length === 0) throw new Error(`the compiler failed: ${stdout}${stderr}`);
  return problems;
}

const problems = compile('tsconfig.json');
const of = (name: string) => problems.filter(({ file }) => file.endsWith(name));
const wrong = readFileSync(join(cases, 'wrong.ts'), 'utf8').split('\n');
/** The line behind each mark, and what the mark says its error reads. */
const marks = wrong.flatMap((line, i) => {
  const mark = /^\s*\/\/@@ (.+)$/.exec(line);
  return mark === null ? [] : [{ line: i + 2, code: wrong[i + 1]!.trim(), expected: mark[1]! }];
});

it.each(['right.ts', 'everyday.ts'])('%s compiles', name => {
  expect(of(name)).toEqual([]);
});

it('options of data and metric may be undefined under exactOptionalPropertyTypes', () => {
  const own = compile('tsconfig.absent.json').filter(({ file }) => file.endsWith('absent.ts'));
  expect(own).toEqual([]);
});

it('the library itself compiles under the settings of a user', () => {
  expect(problems.filter(({ file }) => !/(right|everyday|wrong)\.ts$/.test(file))).toEqual([]);
});

it.each(marks)('line $line of wrong.ts fails: $code', ({ line, expected }) => {
  const here = of('wrong.ts').filter(problem => problem.line === line);
  expect(here).not.toEqual([]);
  expect(here.map(({ text }) => text).join('\n')).toContain(expected);
});

it('nothing else in wrong.ts fails', () => {
  expect(marks.length).toBeGreaterThan(30);
  const lines = new Set(marks.map(({ line }) => line));
  expect(of('wrong.ts').filter(({ line }) => !lines.has(line))).toEqual([]);
});
