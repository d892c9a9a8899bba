/**
 * Before all tests: fixes the seed of the sampled ones, and prints it so that a failure can be repeated; compiles the
 * examples, where they have changed since.
 */
const { readdirSync, statSync } = require('node:fs');
const { join } = require('node:path');
const { spawnSync } = require('node:child_process');

const root = join(__dirname, '..', '..');

function newest(folder, extension) {
  try {
    const files = readdirSync(join(root, folder), { recursive: true }).filter(name => name.endsWith(extension));
    return Math.max(...files.map(name => statSync(join(root, folder, name)).mtimeMs));
  } catch {
    return -Infinity;
  }
}

module.exports = async () => {
  process.env.LATENT_TEST_SEED ??= String(Math.floor(Math.random() * 2 ** 31));
  console.log(`\nsampled tests use LATENT_TEST_SEED=${process.env.LATENT_TEST_SEED}`);
  if (newest('examples', '.ts') <= newest('build/ts/examples', '.js')) return;
  const { status } = spawnSync('npm', ['run', '--silent', 'build:examples'], { cwd: root, stdio: 'inherit' });
  if (status !== 0) throw new Error('the examples do not compile');
};
