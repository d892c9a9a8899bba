/** Lets a Node process of its own load TypeScript sources, as jest does: `node -r` this file. */
const Module = require('node:module');
const { transformFileSync } = require('@swc/core');

const options = { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' } };
const resolve = Module._resolveFilename;

// Sources import each other by the names that they compile to.
Module._resolveFilename = function (request, ...rest) {
  try {
    return resolve.call(this, request, ...rest);
  } catch (error) {
    if (!/^\.{1,2}\/.*\.js$/.test(request)) throw error;
    return resolve.call(this, request.replace(/\.js$/, '.ts'), ...rest);
  }
};
require.extensions['.ts'] = (module, file) => module._compile(transformFileSync(file, options).code, file);
