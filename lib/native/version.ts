/** The package's version; the build writes it into the library. */
export const { version } = require('../../package.json') as { version: string };
