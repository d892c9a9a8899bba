import { runWell } from '../support/child.js';

/** Prints a digest of the values and gradients of operations whose outputs may be streamed, at lengths around a buffer's. */
const script = `
  const { createHash } = require('node:crypto');
  const { autograd, nn, random } = latent;
  random.seed(7);
  const layers = {
    layer: () => new nn.LayerNorm(), rms: () => new nn.RMSNorm(), batch: () => new nn.BatchNorm(),
    group: () => new nn.GroupNorm({ numGroups: 2 }), instance: () => new nn.InstanceNorm(),
  };
  const shapes = [[300, 37], [40, 1023], [9, 1024], [5, 2050], [12, 10, 7, 7], [3, 6, 11, 47], [2, 4, 65, 63], [1, 2, 6001]];
  for (const [name, make] of Object.entries(layers)) {
    for (const shape of shapes) {
      if (shape.length === 2 && (name === 'group' || name === 'instance')) continue;
      for (const dtype of ['float32', 'float64']) {
        const layer = make();
        layer.cast(dtype);
        layer.initialize();
        const x = random.uniform(shape, { low: -1, high: 2, dtype }), head = random.uniform(shape, { dtype });
        layer(x);
        const learned = [...layer.collectParams().values()].filter(p => p.gradReq !== 'null');
        for (const p of learned) p.setData(random.uniform(p.shape, { dtype }));
        x.attachGrad();
        const y = autograd.record(() => layer(x));
        y.backward(head);
        const hash = createHash('sha256');
        for (const t of [y, x.grad, ...learned.map(p => p.grad())])
          hash.update(Buffer.from(t.toTypedArray().buffer));
        console.log(name, dtype, shape.join('x'), hash.digest('hex').slice(0, 16));
      }
    }
  }
`;

test('normalizations give the same bits whether or not their results are streamed', () => {
  const plain = runWell(script, { env: { LATENT_CACHES: '32K,512M', LATENT_NUM_THREADS: '1' } });
  expect(plain.split('\n')).toHaveLength(2 * (3 * 8 + 2 * 4));
  for (const threads of ['1', '3']) {
    const streamed = runWell(script, { env: { LATENT_CACHES: '4K,8K', LATENT_NUM_THREADS: threads } });
    expect(streamed.split('\n')).toEqual(plain.split('\n'));
  }
});
