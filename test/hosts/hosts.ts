import { type ChildProcess, spawn } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { root } from '../support/child.js';
import { run } from '../support/package.js';
import { commonJs, commonJsFunction, esFunction, esModule, typeScript } from './program.js';

/** A way in which programs come to run: what it needs beside the package, and how the program's line comes out of it. */
export interface Host {
  readonly name: string;
  /** Packages of the host's, with their versions; none where the project itself has what it takes. */
  readonly packages: readonly string[];
  /** Runs the program in `project`, where the package is installed, and answers what it printed. */
  readonly answer: (project: string) => string | Promise<string>;
  /** Whether `answer` makes its project by itself; it is given the tarball then, in `package.tgz`. */
  readonly empty?: boolean;
}

function write(project: string, files: Record<string, string>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(project, name, '..'), { recursive: true });
    writeFileSync(join(project, name), text);
  }
}

const bin = (project: string, name: string) => join(project, 'node_modules', '.bin', name);

/** What was bundled, run from a folder in which nothing else can be found. */
function runAlone(project: string, folder: string, file: string): string {
  const alone = join(project, '..', `${project.split('/').pop()}-alone`);
  cpSync(join(project, folder), alone, { recursive: true });
  return run(process.execPath, [file], alone);
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

/** Asks a server until it answers. */
async function ask(url: string, server: ChildProcess): Promise<string> {
  for (let tries = 0; tries < 300 && server.exitCode === null; tries++) {
    try {
      const response = await fetch(url);
      return await response.text();
    } catch {
      await new Promise(resolve => setTimeout(resolve, 100));
    }
  }
  throw new Error(`the server at ${url} does not answer`);
}

/** The line in which esbuild's ECMAScript modules get the `require` that CommonJS packages in them call. */
const requireLine = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);";

export const hosts: readonly Host[] = [
  {
    name: 'node, CommonJS',
    packages: [],
    answer(project) {
      write(project, { 'app.cjs': commonJs });
      return run(process.execPath, ['app.cjs'], project);
    },
  },
  {
    name: 'node, ECMAScript modules',
    packages: [],
    answer(project) {
      write(project, { 'app.mjs': esModule });
      return run(process.execPath, ['app.mjs'], project);
    },
  },
  {
    name: 'a worker',
    packages: [],
    answer(project) {
      write(project, {
        'app.cjs': commonJs,
        'main.cjs': "new (require('node:worker_threads').Worker)(require.resolve('./app.cjs'));",
      });
      return run(process.execPath, ['main.cjs'], project);
    },
  },
  {
    name: 'cluster',
    packages: [],
    answer(project) {
      write(project, {
        'answer.js': commonJsFunction,
        'main.cjs': `const cluster = require('node:cluster');
          if (cluster.isPrimary) cluster.fork();
          else require('./answer.js').answer().then(line => { console.log(line); cluster.worker.disconnect(); });`,
      });
      return run(process.execPath, ['main.cjs'], project);
    },
  },
  {
    name: 'esbuild, CommonJS',
    packages: [],
    answer(project) {
      write(project, { 'app.js': commonJs });
      const options = [
        '--bundle',
        '--platform=node',
        '--loader:.node=copy',
        '--outfile=out/app.cjs',
        '--log-level=error',
      ];
      run(join(root, 'node_modules', '.bin', 'esbuild'), ['app.js', ...options], project);
      return runAlone(project, 'out', 'app.cjs');
    },
  },
  {
    name: 'esbuild, ECMAScript modules',
    packages: [],
    answer(project) {
      write(project, { 'app.mjs': esModule });
      const format = ['--format=esm', `--banner:js=${requireLine}`];
      const options = [
        '--bundle',
        '--platform=node',
        '--loader:.node=copy',
        '--outfile=out/app.mjs',
        '--log-level=error',
      ];
      run(join(root, 'node_modules', '.bin', 'esbuild'), ['app.mjs', ...format, ...options], project);
      return runAlone(project, 'out', 'app.mjs');
    },
  },
  {
    name: 'webpack',
    packages: ['webpack@5.113.0', 'webpack-cli@7.3.1', 'node-loader@2.1.0'],
    answer(project) {
      write(project, {
        'app.js': commonJs,
        'webpack.config.js': `module.exports = {
          mode: 'production', target: 'node', entry: './app.js', output: { path: __dirname + '/out', filename: 'app.js' },
          module: { rules: [{ test: /\\.node$/, loader: 'node-loader' }] },
        };`,
      });
      run(bin(project, 'webpack'), [], project);
      return runAlone(project, 'out', 'app.js');
    },
  },
  {
    name: 'rollup',
    packages: ['rollup@4.68.8'],
    answer(project) {
      write(project, { 'app.mjs': esModule });
      run(bin(project, 'rollup'), ['app.mjs', '--file', 'out/app.mjs', '--external', 'latent'], project);
      return run(process.execPath, ['out/app.mjs'], project);
    },
  },
  {
    name: 'vite, SSR',
    packages: ['vite@8.4.0'],
    answer(project) {
      write(project, { 'app.mjs': esModule });
      run(bin(project, 'vite'), ['build', '--ssr', 'app.mjs', '--logLevel', 'error'], project);
      return run(process.execPath, ['dist/app.mjs'], project);
    },
  },
  {
    name: 'ncc',
    packages: ['@vercel/ncc@0.45.0'],
    answer(project) {
      write(project, { 'app.js': commonJs });
      run(bin(project, 'ncc'), ['build', 'app.js', '--out', 'out', '--quiet'], project);
      return runAlone(project, 'out', 'index.js');
    },
  },
  {
    name: 'nft',
    packages: ['@vercel/nft@1.11.5'],
    answer(project) {
      write(project, {
        'app.js': commonJs,
        'trace.js': `const { nodeFileTrace } = require('@vercel/nft'); const { cpSync } = require('node:fs');
          nodeFileTrace(['app.js']).then(({ fileList }) => { for (const file of fileList) cpSync(file, 'out/' + file); });`,
      });
      run(process.execPath, ['trace.js'], project);
      return runAlone(project, 'out', 'app.js');
    },
  },
  {
    name: 'Next, standalone',
    packages: ['next@16.4.6', 'react@19', 'react-dom@19'],
    async answer(project) {
      write(project, {
        'app/layout.js': 'export default ({ children }) => <html><body>{children}</body></html>;',
        'app/page.js': 'export default () => <p>latent</p>;',
        'app/answer/route.js': `import { answer } from '../../answer.mjs';\nexport const dynamic = 'force-dynamic';\nexport async function GET() { return new Response(await answer()); }`,
        'answer.mjs': esFunction,
        'next.config.mjs':
          "export default { output: 'standalone', serverExternalPackages: ['latent'], outputFileTracingRoot: import.meta.dirname };",
      });
      run(bin(project, 'next'), ['build'], project);
      const alone = `${project}-alone`;
      cpSync(join(project, '.next', 'standalone'), alone, { recursive: true, verbatimSymlinks: true });
      const port = await freePort();
      const server = spawn(process.execPath, ['server.js'], {
        cwd: alone,
        env: { ...process.env, PORT: String(port), HOSTNAME: '127.0.0.1' },
        stdio: 'ignore',
      });
      try {
        return await ask(`http://127.0.0.1:${port}/answer`, server);
      } finally {
        server.kill();
      }
    },
  },
  {
    name: 'bun',
    packages: ['@oven/bun-linux-x64-baseline@1.4.5'],
    answer(project) {
      write(project, { 'app.mjs': esModule });
      return run(join(project, 'node_modules', '@oven', 'bun-linux-x64-baseline', 'bin', 'bun'), ['app.mjs'], project);
    },
  },
  {
    name: 'deno',
    packages: ['@deno/linux-x64-glibc@2.9.6'],
    answer(project) {
      write(project, { 'app.mjs': esModule });
      const deno = join(project, 'node_modules', '@deno', 'linux-x64-glibc', 'deno');
      return run(deno, ['run', '--allow-all', '--node-modules-dir=manual', 'app.mjs'], project, {
        DENO_DIR: join(project, '.deno'),
        DENO_NO_UPDATE_CHECK: '1',
      });
    },
  },
  {
    name: 'a single executable application',
    packages: ['postject@1.0.0-alpha.6'],
    answer(project) {
      write(project, {
        'app.js': commonJs,
        'sea.json': JSON.stringify({
          main: 'out/app.cjs',
          output: 'out/app.blob',
          disableExperimentalSEAWarning: true,
        }),
      });
      const banner = "var require = require('node:module').createRequire(process.execPath);";
      const options = [
        '--bundle',
        '--platform=node',
        '--loader:.node=copy',
        '--outfile=out/app.cjs',
        `--banner:js=${banner}`,
      ];
      run(join(root, 'node_modules', '.bin', 'esbuild'), ['app.js', '--log-level=error', ...options], project);
      run(process.execPath, ['--experimental-sea-config', 'sea.json'], project);
      cpSync(process.execPath, join(project, 'out', 'app'));
      const fuse = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';
      run(bin(project, 'postject'), ['out/app', 'NODE_SEA_BLOB', 'out/app.blob', '--sentinel-fuse', fuse], project);
      const alone = `${project}-alone`;
      cpSync(join(project, 'out'), alone, { recursive: true });
      return run(join(alone, 'app'), [], alone);
    },
  },
  {
    name: 'pnpm',
    packages: ['pnpm@12.21.0'],
    empty: true,
    answer(project) {
      const inner = join(project, 'inner');
      write(inner, {
        'package.json': JSON.stringify({
          name: 'inner',
          private: true,
          dependencies: { latent: 'file:../package.tgz' },
        }),
        'app.mjs': esModule,
      });
      run(bin(project, 'pnpm'), ['install', '--store-dir', join(project, 'store')], inner);
      return run(process.execPath, ['app.mjs'], inner);
    },
  },
  {
    name: 'yarn, Plug and Play',
    packages: ['@yarnpkg/cli-dist@4.18.1'],
    empty: true,
    answer(project) {
      const inner = join(project, 'inner');
      write(inner, {
        'package.json': JSON.stringify({
          name: 'inner',
          private: true,
          dependencies: { latent: 'file:../package.tgz' },
        }),
        '.yarnrc.yml': 'nodeLinker: pnp\nenableGlobalCache: false\nenableTelemetry: false\n',
        'yarn.lock': '',
        'app.cjs': commonJs,
      });
      const yarn = join(project, 'node_modules', '@yarnpkg', 'cli-dist', 'bin', 'yarn.js');
      run(process.execPath, [yarn, 'install', '--no-immutable'], inner);
      return run(process.execPath, [yarn, 'node', 'app.cjs'], inner);
    },
  },
  {
    name: 'jest',
    packages: ['jest@30.5.2'],
    answer(project) {
      write(project, {
        'app.test.js': `const { answer } = require('./answer.js');\ntest('runs', async () => require('node:fs').writeFileSync('line', await answer()));\n`,
        'answer.js': commonJsFunction,
      });
      run(bin(project, 'jest'), [], project);
      return readFileSync(join(project, 'line'), 'utf8');
    },
  },
  {
    name: 'vitest',
    packages: ['vitest@5.1.2'],
    answer(project) {
      write(project, {
        'app.test.mjs': `import { test } from 'vitest';\nimport { writeFileSync } from 'node:fs';\nimport { answer } from './answer.mjs';\ntest('runs', async () => writeFileSync('line', await answer()));\n`,
        'answer.mjs': esFunction,
      });
      run(bin(project, 'vitest'), ['run'], project);
      return readFileSync(join(project, 'line'), 'utf8');
    },
  },
  {
    name: 'ts-node',
    packages: ['ts-node@10.9.2', 'typescript@5.9.3', '@types/node@20'],
    answer(project) {
      write(project, {
        'app.ts': typeScript,
        'tsconfig.json': '{ "compilerOptions": { "module": "nodenext", "target": "es2022", "strict": true } }',
      });
      return run(bin(project, 'ts-node'), ['app.ts'], project);
    },
  },
  {
    name: 'tsx',
    packages: ['tsx@4.23.15'],
    answer(project) {
      write(project, { 'app.ts': typeScript });
      return run(bin(project, 'tsx'), ['app.ts'], project);
    },
  },
];
