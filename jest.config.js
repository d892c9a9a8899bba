/** @type {import('jest').Config} */
module.exports = {
  testEnvironment: '<rootDir>/test/support/environment.js',
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  testPathIgnorePatterns: process.env.LATENT_TEST_SYSTEMS === '1' ? [] : ['<rootDir>/test/systems/'],
  modulePathIgnorePatterns: ['<rootDir>/build/', '<rootDir>/dist/'],
  // Sources import each other by the names that they compile to.
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1', '^latent$': '<rootDir>/lib/index' },
  transform: {
    '\\.ts$': ['@swc/jest', { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' } }],
  },
  globalSetup: '<rootDir>/test/support/setup.js',
  reporters: ['default', '<rootDir>/test/support/count-reporter.js'],
  // Whole sweeps and sanitizers take their time.
  testTimeout: process.env.LATENT_TEST_FULL === '1' ? 1_200_000 : 60_000,
  maxWorkers: 2,
};
