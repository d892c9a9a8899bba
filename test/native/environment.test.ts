import { runScript, runWell } from '../support/child.js';

/** The variables that the addon reads at its first load: one that it cannot follow ends the load with a message. */
const refused = (env: Record<string, string>) => {
  const { status, signal, output } = runScript('console.log("went on");', { env });
  expect(output).not.toContain('went on');
  expect({ status, signal }).toEqual({ status: 1, signal: null });
  return output;
};

/** A set of another architecture than this machine's. */
const foreign = process.arch === 'arm64' ? 'avx2' : 'neon';

test('LATENT_ISA names a set that this machine has not', () => {
  expect(refused({ LATENT_ISA: foreign })).toMatch(
    new RegExp(
      `ArgumentError: latent: LATENT_ISA is '${foreign}', which this machine's CPU or this build lacks; at best`,
    ),
  );
});

test.each(['foo', 'AVX2', 'scalar '])('LATENT_ISA=%s names no set', name => {
  expect(refused({ LATENT_ISA: name })).toMatch(
    new RegExp(`ArgumentError: latent: LATENT_ISA takes scalar, avx2, avx512, neon, but is '${name}'; without it`),
  );
});

test('LATENT_ISA chooses a set that every machine has, or nothing', () => {
  const sum = 'console.log(latent.tensor([1, 2, 3]).sum().item());';
  expect(runWell(sum, { env: { LATENT_ISA: 'scalar' } })).toBe('6');
  expect(runWell(sum, { env: { LATENT_ISA: '' } })).toBe('6');
});

test.each(['0', '-1', '1025', '1000000', 'text', '2.5', '3x', ' 4', '1e2'])(
  'LATENT_NUM_THREADS=%s is refused',
  text => {
    expect(refused({ LATENT_NUM_THREADS: text })).toContain(
      `latent: LATENT_NUM_THREADS takes a whole number from 1 to 1024, but is '${text}'`,
    );
  },
);

test.each(['1', '3', '1024'])('LATENT_NUM_THREADS=%s is followed', text => {
  expect(runWell('console.log(latent.getNumThreads());', { env: { LATENT_NUM_THREADS: text } })).toBe(text);
});

test.each([
  '0',
  '48K',
  '48k,2M',
  '48K;2M',
  '48K,2M,',
  '48K,2M,0',
  '48K,2M,1G',
  '48K, 2M',
  '0K,2M',
  '48K,2M,3M,4M',
  '1000000K,2M',
])('LATENT_CACHES=%s is refused', text => {
  expect(refused({ LATENT_CACHES: text })).toContain(
    `ArgumentError: latent: LATENT_CACHES takes the sizes of a core's caches from the first to the second or third, such ` +
      `as 48K,2M or 48K,2M,260M, but is '${text}'`,
  );
});

test.each(['', '32K,256K', '48K,2M,260M'])('LATENT_CACHES=%s shows in no result', caches => {
  const product = `
    latent.random.seed(1);
    const c = new latent.nn.Conv2D(24, { kernelSize: 3, padding: 1 });
    c.initialize();
    const x = latent.random.normal([2, 40, 30, 30]);
    latent.autograd.record(() => c(x).square().sum()).backward();
    const all = [latent.random.normal([70, 900]).matmul(latent.random.normal([900, 130])), c(x), c.weight.grad()];
    console.log(all.map(t => Buffer.from(t.toTypedArray().buffer).toString('base64').replace(/.*(.{16})/, '$1')).join());`;
  expect(runWell(product, { env: { LATENT_CACHES: caches } })).toBe(runWell(product));
});
