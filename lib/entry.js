// The file that `require('latent')` loads first. Its language is that of old engines, which could not read the library
// itself.

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  const error = new Error(`latent needs Node.js 20.19 or newer, but this is Node.js ${process.versions.node}`);
  error.code = 'ERR_LATENT_ENGINE';
  throw error;
}

module.exports = require('./latent.js');
