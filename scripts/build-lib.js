/**
 * Compiles the library into dist/: one file of JavaScript, for most of the time that a process takes to load a package goes
 * into finding and opening files; the entries by which `require` and `import` reach it; what is for tests beside it; and the
 * declarations.
 */
const { execFileSync } = require('node:child_process');
const { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } = require('node:fs');
const { basename, join } = require('node:path');
const { build } = require('esbuild');
const { compiler } = require('./compiler.js');

const root = join(__dirname, '..');
const dist = join(root, 'dist');
const common = { absWorkingDir: root, platform: 'node', target: 'node20', sourcemap: true, logLevel: 'warning' };

/** What the one file reaches outside of lib: the addons stay files of their own, and of package.json it needs the version. */
const outside = {
  name: 'outside',
  setup({ onLoad, onResolve }) {
    onResolve({ filter: /\.node$/ }, ({ path }) => ({ path: path.replace('../../', '../'), external: true }));
    onLoad({ filter: /[\\/]package\.json$/ }, ({ path }) => {
      const { version } = JSON.parse(readFileSync(path, 'utf8'));
      return { contents: JSON.stringify({ version }), loader: 'json' };
    });
  },
};

/**
 * Closures are named too, at the price of an Object.defineProperty each time that one is made, a sixth of a small training
 * step; nobody sees their names. They have no prototype.
 */
function nameClassesAlone(text) {
  const naming = /^var __name = \((\w+), (\w+)\) => (__defProp\(.*\));$/m;
  if (!naming.test(text)) throw new Error('the bundler names functions in another way than is known here');
  return text.replace(naming, 'var __name = ($1, $2) => $1.prototype === undefined ? $1 : $3;');
}

/** An ECMAScript module that gives what a CommonJS one does, so that a process has one copy however it is loaded. */
async function writeModule(entry, name) {
  const options = { ...common, format: 'esm', bundle: true, packages: 'external', plugins: [outside] };
  const { metafile } = await build({ ...options, entryPoints: [entry], outfile: 'none', write: false, metafile: true });
  const [names] = Object.values(metafile.outputs).flatMap(({ exports }) => (exports.length > 0 ? [exports] : []));
  const from = `./${basename(name)}.js`;
  // `var` can be exported, but not declared.
  const declared = names.map(each => (each === 'var' ? '  var: var_,' : `  ${each},`)).join('\n');
  const exported = names.map(each => (each === 'var' ? '  var_ as var,' : `  ${each},`)).join('\n');
  const code = `import all from '${from}';\n\nconst {\n${declared}\n} = all;\nexport {\n${exported}\n};\nexport default all;\n`;
  writeFileSync(join(dist, `${name}.mjs`), code);
  const types = `import * as all from '${from}';\n\nexport * from '${from}';\nexport default all;\n`;
  writeFileSync(join(dist, `${name}.d.mts`), types);
}

async function main() {
  rmSync(dist, { recursive: true, force: true });
  execFileSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' });
  const library = join(dist, 'latent.js');
  const { outputFiles } = await build({
    ...common,
    entryPoints: ['lib/index.ts'],
    outfile: library,
    write: false,
    bundle: true,
    packages: 'external',
    // Classes are named in messages and in what nets print.
    keepNames: true,
    plugins: [outside],
  });
  mkdirSync(dist, { recursive: true });
  for (const { path, text } of outputFiles) writeFileSync(path, path === library ? nameClassesAlone(text) : text);
  copyFileSync(join(root, 'lib', 'entry.js'), join(dist, 'index.js'));
  // These require the one file.
  await build({
    ...common,
    entryPoints: ['lib/testing/index.ts', 'lib/testing/compare.ts'],
    outdir: 'dist/testing',
    format: 'cjs',
  });
  await writeModule('lib/index.ts', 'index');
  await writeModule('lib/testing/index.ts', 'testing/index');
}

main().catch(error => {
  console.error(error);
  process.exitCode = 1;
});
