import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from '../support/child.js';
import { full } from '../support/random.js';

/** The package as it is published, installed in an empty project: what a user has, and nothing else. */
const folder = mkdtempSync(join(tmpdir(), 'latent-package-'));
const project = join(folder, 'project');
const platform = `${process.platform}-${process.arch}`;
const environment = { ...process.env, npm_config_nodedir: undefined, npm_config_update_notifier: 'false' };

function run(command: string, args: string[], cwd: string): string {
  return execFileSync(command, args, {
    cwd,
    encoding: 'utf8',
    env: environment as NodeJS.ProcessEnv,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

const sources = [
  'package.json',
  'LICENSE',
  'README.md',
  'FEATURES.md',
  'docs',
  'dist',
  'native',
  'lib',
  'scripts',
  'binding.gyp',
  'CMakeLists.txt',
];

/** Prebuilds through node-gyp and binding.gyp, as for a release; node-gyp wants Node's headers only to look at them. */
function prebuild(stage: string): void {
  const headers = join(folder, 'headers', 'include', 'node');
  mkdirSync(headers, { recursive: true });
  const configurations = { Release: {}, Debug: {} };
  writeFileSync(
    join(headers, 'common.gypi'),
    JSON.stringify({ target_defaults: { default_configuration: 'Release', configurations } }),
  );
  writeFileSync(join(headers, 'config.gypi'), JSON.stringify({ variables: {} }));
  execFileSync(
    process.execPath,
    [join(root, 'node_modules', 'prebuildify', 'bin.js'), '--napi', '--strip', '--target', process.versions.node],
    {
      cwd: stage,
      env: { ...process.env, npm_config_nodedir: join(folder, 'headers') },
      stdio: 'pipe',
    },
  );
}

beforeAll(() => {
  const stage = join(folder, 'stage');
  for (const entry of sources)
    if (existsSync(join(root, entry))) cpSync(join(root, entry), join(stage, entry), { recursive: true });
  if (full) {
    cpSync(join(root, 'node_modules'), join(stage, 'node_modules'), { recursive: true });
    prebuild(stage);
    rmSync(join(stage, 'node_modules'), { recursive: true });
    rmSync(join(stage, 'build'), { recursive: true });
  } else {
    // The addon that was just built, where prebuildify would put it.
    mkdirSync(join(stage, 'prebuilds', platform), { recursive: true });
    cpSync(join(root, 'build', 'Release', 'latent.node'), join(stage, 'prebuilds', platform, 'latent.node'));
  }
  run('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], stage);
  const tarball = readdirSync(folder).find(name => name.endsWith('.tgz')) as string;
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'empty', version: '1.0.0', private: true }));
  run(
    'npm',
    ['install', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', join(folder, tarball)],
    project,
  );
}, 300_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const installed = () => join(project, 'node_modules', 'latent');

test('holds the prebuilt addon and no way to compile one at install', () => {
  const entries = readdirSync(installed());
  expect(entries).not.toContain('binding.gyp');
  expect(entries).not.toContain('native');
  expect(readdirSync(join(installed(), 'prebuilds', platform))).toEqual(['latent.node']);
  const manifest = JSON.parse(readFileSync(join(installed(), 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
    gypfile: boolean;
  };
  for (const script of ['install', 'preinstall', 'postinstall']) expect(manifest.scripts).not.toHaveProperty(script);
  expect(manifest.gypfile).toBe(false);
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

test.each([
  ['node10', 'commonjs'],
  ['nodenext', 'nodenext'],
])('its declarations are found under moduleResolution %s', (moduleResolution, module) => {
  const code =
    "import { tensor } from 'latent';\nimport { assertClose } from 'latent/testing';\nassertClose(tensor([1]), 1);\n";
  writeFileSync(join(project, 'program.ts'), code);
  const compiler = join(root, 'node_modules', 'typescript-5.4', 'bin', 'tsc');
  const options = [
    '--noEmit',
    '--strict',
    '--skipLibCheck',
    '--target',
    'es2022',
    '--typeRoots',
    join(root, 'node_modules', '@types'),
  ];
  const child = spawnSync(
    process.execPath,
    [compiler, ...options, '--module', module, '--moduleResolution', moduleResolution, 'program.ts'],
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

test('runs on the C library that the documentation names, or newer', () => {
  if (process.platform !== 'linux') return;
  const symbols = run('objdump', ['-T', join(installed(), 'prebuilds', platform, 'latent.node')], project);
  const versions = [...symbols.matchAll(/GLIBC_2\.(\d+)/g)].map(match => Number(match[1]));
  const stated = /glibc 2\.(\d+)/.exec(readFileSync(join(root, 'README.md'), 'utf8'));
  expect(Math.max(...versions)).toBeLessThanOrEqual(Number(stated?.[1]));
  expect(symbols).not.toMatch(/GLIBCXX/);
});

test('says what to do where no addon fits', () => {
  rmSync(join(folder, 'bare'), { recursive: true, force: true });
  cpSync(project, join(folder, 'bare'), { recursive: true });
  rmSync(join(folder, 'bare', 'node_modules', 'latent', 'prebuilds'), { recursive: true });
  const child = spawnSync(process.execPath, ['-e', "require('latent')"], {
    cwd: join(folder, 'bare'),
    encoding: 'utf8',
  });
  expect(child.status).toBe(1);
  expect(child.stderr).toContain(`latent has no native addon for ${platform}`);
  expect(child.stderr).toContain('npm run build:native');
});
