/** Edits of lib/data. */
module.exports = [
  {
    file: 'lib/data/sampler.ts',
    from: "if (this.lastBatch === 'rollover') this.#held = batch;",
    to: '',
    breaks: 'samples that do not fill a batch are lost to the next epoch',
    tests: ['test/data/loader.test.ts'],
  },
  {
    file: 'lib/data/sampler.ts',
    from: 'const samples = this.sampler.length + this.#held.length;',
    to: 'const samples = this.sampler.length;',
    breaks: 'the number of batches leaves out what was rolled over',
    tests: ['test/data/loader.test.ts'],
  },
  {
    file: 'lib/data/sampler.ts',
    from: 'return permutation(this.length, { generator: this.#generator })',
    to: 'return permutation(this.length)',
    breaks: 'the generator that was given draws no order',
    tests: ['test/data/loader.test.ts'],
  },
  {
    file: 'lib/data/column.ts',
    from: 'for (const [k, sample] of samples.entries()) this.#check(form, indices[k] as number, sample);',
    to: '',
    breaks: 'samples that have changed since the first batch are not looked at',
    tests: ['test/data'],
  },
  {
    file: 'lib/data/idx.ts',
    from: 'if (length !== end)',
    to: 'if (length < end)',
    breaks: 'bytes after the elements of an IDX file are passed by',
    tests: ['test/data/idx.test.ts'],
  },
  {
    file: 'lib/data/idx.ts',
    from: 'Array.from({ length: rank }, (_, d) => view.getUint32(4 + 4 * d))',
    to: 'Array.from({ length: rank }, (_, d) => view.getInt32(4 + 4 * d))',
    breaks: 'sizes of an IDX file from 2^31 on are negative',
    tests: ['test/data/idx.test.ts'],
  },
];
