/** Fixes the seed of all sampled tests before the first of them runs, and prints it so that a failure can be repeated. */
module.exports = async () => {
  process.env.LATENT_TEST_SEED ??= String(Math.floor(Math.random() * 2 ** 31));
  console.log(`\nsampled tests use LATENT_TEST_SEED=${process.env.LATENT_TEST_SEED}`);
};
