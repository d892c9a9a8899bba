/** Builds the addon into build/Release, for callers that know no cmake-js: node-gyp's one action in binding.gyp. */
const { BuildSystem } = require('cmake-js');
const { join } = require('node:path');

const directory = join(__dirname, '..');
// npm's `nodedir` is for builds against Node's own headers; this one needs Node-API's alone, from their package.
const system = new BuildSystem({
  directory,
  out: join(directory, 'build'),
  config: 'Release',
  parallel: 2,
  target: 'latent',
});
system.build().catch(error => {
  console.error(error);
  process.exitCode = 1;
});
