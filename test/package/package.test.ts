import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { platforms } from '../../lib/native/prebuilt.js';
import { root } from '../support/child.js';
import { addonPath, makeProject, packStage, run, stagePackage } from '../support/package.js';
import { full } from '../support/random.js';

/** The package as it is published, installed in an empty project: what a user has, and nothing else. */
const folder = mkdtempSync(join(tmpdir(), 'latent package-'));
const project = join(folder, 'project');

beforeAll(() => {
  const stage = join(folder, 'stage');
  stagePackage(stage);
  makeProject(project, [packStage(stage, folder)]);
}, 300_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const installed = () => join(project, 'node_modules', 'latent');

test('holds the prebuilt addon and its sources, and nothing that runs at install', () => {
  // Package managers build by themselves what has a binding.gyp.
  expect(readdirSync(installed())).not.toContain('binding.gyp');
  expect(readdirSync(installed())).toContain('CMakeLists.txt');
  expect(readFileSync(join(installed(), addonPath())).length).toBeGreaterThan(1e6);
  const manifest = JSON.parse(readFileSync(join(installed(), 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
    gypfile: boolean;
  };
  for (const script of ['install', 'preinstall', 'postinstall']) expect(manifest.scripts).not.toHaveProperty(script);
  expect(manifest.gypfile).toBe(false);
});

test('looks for the files that are prebuilt, and for no others', () => {
  const targets = require(join(root, 'scripts', 'prebuild', 'targets.js')) as { file: string }[];
  const code = readFileSync(join(installed(), 'dist', 'latent.js'), 'utf8');
  const wanted = [...code.matchAll(/require\("\.\.\/prebuilds\/([^"]+)"\)/g)].map(match => match[1]);
  expect(wanted).toEqual(targets.map(({ file }) => file));
  expect([...platforms]).toEqual(
    targets.map(({ file }) => file.replace(/\/latent\.(glibc|musl)\.node/, '-$1').replace('/latent.node', '')),
  );
});

test.each([
  [
    'require',
    [
      '-e',
      "const { nn, random } = require('latent'); const net = new nn.Dense(3); net.initialize(); console.log(net(random.uniform([2, 5])).shape.join());",
    ],
  ],
  [
    'import',
    [
      '--input-type=module',
      '-e',
      "import { nn, random } from 'latent'; const net = new nn.Dense(3); net.initialize(); console.log(net(random.uniform([2, 5])).shape.join());",
    ],
  ],
  [
    'a worker',
    [
      '-e',
      `new (require('node:worker_threads').Worker)("const { nn, random } = require('latent'); const net = new nn.Dense(3); net.initialize(); console.log(net(random.uniform([2, 5])).shape.join());", { eval: true });`,
    ],
  ],
])('works from %s', (_, args) => {
  expect(run(process.execPath, args, project).trim()).toBe('2,3');
});

test('classes have the names that they are exported by, however the bundler calls them', () => {
  const code = `
    const latent = require('latent');
    const spaces = [latent, ...Object.values(latent).filter(value => value !== null && typeof value === 'object')];
    const classes = spaces.flatMap(space =>
      Object.entries(space).filter(([, value]) => typeof value === 'function' && /^class\\b/.test(String(value))));
    console.log(classes.length, classes.filter(([name, value]) => value.name !== name).map(([name]) => name).join());
  `;
  const [count, others] = run(process.execPath, ['-e', code], project).trim().split(' ');
  expect(Number(count)).toBeGreaterThan(100);
  expect(others).toBeUndefined();
});

const compilers = ['typescript-5.4', 'typescript-5.9', 'typescript'];
const resolutions = [
  ['node10', 'commonjs'],
  ['node16', 'node16'],
  ['nodenext', 'nodenext'],
  ['bundler', 'esnext'],
] as const;
const quick: Record<string, string> = { 'typescript-5.4': 'node10', 'typescript-5.9': 'nodenext' };
// TypeScript 7 has no node10. The older ones take their time: one resolution of each, and all in the full run.
const combinations = compilers.flatMap(compiler =>
  resolutions
    .filter(([resolution]) => compiler !== 'typescript' || resolution !== 'node10')
    .filter(([resolution]) => full || compiler === 'typescript' || resolution === quick[compiler])
    .map(([resolution, module]) => [compiler, resolution, module] as const),
);

test.each(combinations)('its declarations are whole under %s with moduleResolution %s', (name, resolution, module) => {
  const code =
    "import { tensor } from 'latent';\nimport { assertClose } from 'latent/testing';\nassertClose(tensor([1]), 1);\n";
  writeFileSync(join(project, 'program.ts'), code);
  const compiler = join(root, 'node_modules', name, 'bin', 'tsc');
  // What docs/versions.md says that a project needs.
  const options = ['--noEmit', '--strict', '--skipLibCheck', 'false', '--target', 'es2022', '--lib', 'es2022'];
  // TypeScript 7 takes no types by itself: the declarations name those that they need.
  const typeRoots = ['--typeRoots', join(root, 'node_modules', '@types')];
  const types = name === 'typescript' ? typeRoots : [...typeRoots, '--types', 'node'];
  const child = spawnSync(
    process.execPath,
    [compiler, ...options, ...types, '--module', module, '--moduleResolution', resolution, 'program.ts'],
    { cwd: project, encoding: 'utf8' },
  );
  expect(child.stdout).toBe('');
  expect(child.status).toBe(0);
});

test('works in two jest files, each with modules reset', () => {
  const body = (name: string) => `
    let latent = require('latent');
    test('${name}', () => {
      const before = latent.tensor([1, 2, 3]);
      jest.resetModules();
      const again = require('latent');
      expect(again).not.toBe(latent);
      const net = new again.nn.Dense(2);
      net.initialize();
      expect(net(again.random.uniform([4, 3])).shape).toEqual([4, 2]);
      expect(() => again.add(before, before)).toThrow(/another load of latent/);
      expect(before.add(1).toArray()).toEqual([2, 3, 4]);
    });
  `;
  writeFileSync(join(project, 'a.test.js'), body('first'));
  writeFileSync(join(project, 'b.test.js'), body('second'));
  const jestBin = join(root, 'node_modules', 'jest', 'bin', 'jest.js');
  const child = spawnSync(process.execPath, [jestBin, '--rootDir', project, '--runInBand', '--config', '{}'], {
    cwd: project,
    encoding: 'utf8',
  });
  expect(child.stderr).toContain('Tests:       2 passed, 2 total');
});

/** A copy of the project with something changed in the package. */
function changed(name: string, change: (packageFolder: string) => void): string {
  const copy = join(folder, name);
  cpSync(project, copy, { recursive: true });
  change(join(copy, 'node_modules', 'latent'));
  return copy;
}

/** What a program that needs the package says as it dies. */
function complaint(cwd: string, env: NodeJS.ProcessEnv = {}): string {
  const code =
    "try { require('latent'); } catch (error) { console.log(error.code, error.message); process.exitCode = 1; }";
  const child = spawnSync(process.execPath, ['-e', code], { cwd, encoding: 'utf8', env: { ...process.env, ...env } });
  expect(child.status).toBe(1);
  return child.stdout;
}

describe('where the addon cannot be loaded, the error tells the cause:', () => {
  const command = (at: string) =>
    `npx --yes cmake-js@8 compile --target latent --directory "${join(at, 'node_modules', 'latent')}"`;

  test('it is not there', () => {
    const copy = changed('bare', at => rmSync(join(at, 'prebuilds'), { recursive: true }));
    const text = complaint(copy);
    expect(text).toMatch(/^ERR_LATENT_ADDON latent \(Node [\d.]+, \S+\) lacks its prebuilt addon/);
    expect(text).toContain('docs/deploying.md');
    expect(text).toContain(command(copy));
  });

  test('it is cut short', () => {
    const copy = changed('cut', at => {
      const file = join(at, addonPath());
      writeFileSync(file, readFileSync(file).subarray(0, 3000));
    });
    expect(complaint(copy)).toMatch(
      /ERR_LATENT_ADDON .*could not be loaded: .*latent.*\.node.*file too short.* damaged/s,
    );
  });

  test('it is no addon at all', () => {
    const copy = changed('text', at => writeFileSync(join(at, addonPath()), 'not a library'.repeat(1000)));
    expect(complaint(copy)).toMatch(/could not be loaded: .*invalid ELF header.* for another system/s);
  });

  test('it is for another architecture', () => {
    const copy = changed('foreign', at => {
      const path = join(at, addonPath());
      const file = readFileSync(path);
      // The machine's number in the header: SPARC's.
      file.writeUInt16LE(2, 18);
      writeFileSync(path, file);
    });
    expect(complaint(copy)).toMatch(
      /could not be loaded: .*latent.*\.node: for another architecture\. The file is for/s,
    );
  });

  test('it is of another version', () => {
    const copy = changed('older', at => {
      const file = join(at, 'dist', 'latent.js');
      writeFileSync(file, readFileSync(file, 'utf8').replace('{ version: "0.1.0" }', '{ version: "9.9.9" }'));
    });
    expect(complaint(copy)).toMatch(/latent 9\.9\.9 found a native addon of version 0\.1\.0/);
  });

  test('an instruction set that the CPU lacks was asked for', () => {
    const other = process.arch === 'x64' ? 'neon' : 'avx2';
    expect(complaint(project, { LATENT_ISA: other })).toMatch(
      /LATENT_ISA is '\w+', which this machine's CPU or this build lacks/,
    );
  });
});

test('two versions of the package work in one process, and do not mix', () => {
  const copy = changed('two', at => {
    cpSync(at, join(at, '..', 'latent-older'), { recursive: true });
  });
  const code = `
    const [a, b] = [require('latent'), require('latent-older')];
    const [x, y] = [a.tensor([1, 2]), b.tensor([3, 4])];
    console.log(x.add(1).toArray().join(), y.add(1).toArray().join());
    try { x.add(y); } catch (error) { console.log(error.message); }
  `;
  const [sums, error] = run(process.execPath, ['-e', code], copy).trim().split('\n');
  expect(sums).toBe('2,3 4,5');
  expect(error).toMatch(/another load of latent/);
});

const posix = process.platform === 'win32' ? test.skip : test;

posix('works where nothing can be written, and under a path with blanks', () => {
  const copy = changed('read only', () => undefined);
  const folders = [
    copy,
    ...readdirSync(copy, { recursive: true, withFileTypes: true }).flatMap(entry =>
      entry.isDirectory() ? [join(entry.parentPath, entry.name)] : [],
    ),
  ];
  chmodSync(folder, 0o755);
  for (const one of folders) chmodSync(one, 0o555);
  try {
    // A superuser may write in spite of that.
    const user = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};
    const code = `
      let wrote = true;
      try { require('node:fs').writeFileSync('node_modules/latent/file', ''); } catch { wrote = false; }
      console.log(wrote, require('latent').ones([2]).sum().item())`;
    const child = spawnSync(process.execPath, ['-e', code], { cwd: copy, encoding: 'utf8', ...user });
    expect(child.stdout.trim()).toBe('false 2');
  } finally {
    for (const one of folders) chmodSync(one, 0o755);
  }
});

test('there is one copy, whether it is required or imported', () => {
  const code = `
    import { createRequire } from 'node:module';
    import * as imported from 'latent';
    import { assertClose } from 'latent/testing';
    const require = createRequire(process.cwd() + '/');
    const required = require('latent');
    console.log(imported.Tensor === required.Tensor, imported.nn.Dense === required.nn.Dense,
      assertClose === require('latent/testing').assertClose);`;
  expect(run(process.execPath, ['--input-type=module', '-e', code], project).trim()).toBe('true true true');
});

test('a bundle loads its own addon, not one of a folder above', () => {
  const outer = changed('outer', at => {
    // The bundle lies within a package of this name that has an addon of its own, which is broken.
    const inner = join(at, 'app', 'out');
    mkdirSync(join(at, 'build', 'Release'), { recursive: true });
    writeFileSync(join(at, 'build', 'Release', 'latent.node'), 'broken');
    mkdirSync(inner, { recursive: true });
    writeFileSync(join(at, 'app', 'package.json'), '{ "name": "app" }');
    writeFileSync(join(project, 'bundled.js'), "console.log(require('latent').ones([2]).sum().item())");
    const esbuild = join(root, 'node_modules', '.bin', 'esbuild');
    const options = ['--bundle', '--platform=node', '--loader:.node=copy', `--outfile=${join(inner, 'app.cjs')}`];
    run(esbuild, ['bundled.js', ...options, '--log-level=error'], project);
  });
  const inner = join(outer, 'node_modules', 'latent', 'app', 'out');
  expect(run(process.execPath, [join(inner, 'app.cjs')], inner).trim()).toBe('2');
});

test('a lock file made on another system works, without scripts and optional packages', () => {
  const copy = changed('locked', at => rmSync(join(at, '..'), { recursive: true }));
  const lock = JSON.parse(readFileSync(join(copy, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, object>;
  };
  // Nothing in it depends on where it was made.
  for (const entry of Object.values(lock.packages)) {
    for (const field of ['os', 'cpu', 'libc', 'optional', 'hasInstallScript']) expect(entry).not.toHaveProperty(field);
  }
  run('npm', ['ci', '--ignore-scripts', '--omit=optional', '--prefer-offline', '--no-audit'], copy);
  expect(run(process.execPath, ['-e', "console.log(require('latent').ones([2]).sum().item())"], copy).trim()).toBe('2');
});

test('an older engine is refused with a sentence', () => {
  const code = `
    Object.defineProperty(process.versions, 'node', { value: '20.18.3' });
    try { require('latent'); } catch (error) { console.log(error.code, error.message); }
  `;
  expect(run(process.execPath, ['-e', code], project).trim()).toBe(
    'ERR_LATENT_ENGINE latent needs Node.js 20.19 or newer, but this is Node.js 20.18.3',
  );
  const { engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { engines: { node: string } };
  expect(engines.node).toBe('>=20.19');
});

if (full) {
  test('publint and attw find nothing', () => {
    const tools = join(folder, 'tools');
    makeProject(tools, ['publint@0.3.25', '@arethetypeswrong/cli@0.18.5']);
    const tarball = join(folder, readdirSync(folder).find(name => name.endsWith('.tgz')) as string);
    const bin = (name: string) => join(tools, 'node_modules', '.bin', name);
    expect(run(bin('publint'), ['--strict', tarball], tools)).toContain('All good!');
    expect(run(bin('attw'), [tarball, '--no-color', '--no-emoji'], tools)).toContain('No problems found');
  });

  test('the printed command builds the addon in the installed package', () => {
    const copy = changed('built here', at => rmSync(join(at, 'prebuilds'), { recursive: true }));
    const command = / run: (npx .*)$/m.exec(complaint(copy))?.[1] as string;
    execFileSync(command, { cwd: copy, shell: true, stdio: 'pipe' });
    const code = "const { info, ones } = require('latent'); console.log(info().build.compiler, ones([2]).sum().item())";
    expect(run(process.execPath, ['-e', code], copy)).toMatch(/^\w+ [\d.]+ 2$/m);
  });

  test('binding.gyp builds the addon for those who use node-gyp', () => {
    const stage = join(folder, 'gyp');
    stagePackage(stage);
    cpSync(join(root, 'node_modules'), join(stage, 'node_modules'), { recursive: true });
    // node-gyp wants Node's headers only to look at them.
    const headers = join(folder, 'headers', 'include', 'node');
    mkdirSync(headers, { recursive: true });
    const configurations = { Release: {}, Debug: {} };
    writeFileSync(
      join(headers, 'common.gypi'),
      JSON.stringify({ target_defaults: { default_configuration: 'Release', configurations } }),
    );
    writeFileSync(join(headers, 'config.gypi'), JSON.stringify({ variables: {} }));
    const prebuildify = join(root, 'node_modules', 'prebuildify', 'bin.js');
    rmSync(join(stage, 'prebuilds'), { recursive: true });
    run(process.execPath, [prebuildify, '--napi', '--strip', '--tag-libc', '--target', process.versions.node], stage, {
      npm_config_nodedir: join(folder, 'headers'),
    });
    expect(readFileSync(join(stage, addonPath())).length).toBeGreaterThan(1e6);
  });
}
