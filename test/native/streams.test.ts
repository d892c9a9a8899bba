import { runWell } from '../support/child.js';

/** Prints digests of values and gradients of layers whose outputs may be streamed, at lengths around a buffer's. */
const layers = `
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
  const plain = runWell(layers, { env: { LATENT_CACHES: '32K,512M', LATENT_NUM_THREADS: '1' } });
  expect(plain.split('\n')).toHaveLength(2 * (3 * 8 + 2 * 4));
  for (const threads of ['1', '3']) {
    const streamed = runWell(layers, { env: { LATENT_CACHES: '4K,8K', LATENT_NUM_THREADS: threads } });
    expect(streamed.split('\n')).toEqual(plain.split('\n'));
  }
});

/** The same of operations on rows of any length, broadcast and turned, each in the place of the one before; sums are told too. */
const elementwise = `
  const { createHash } = require('node:crypto');
  const { random, where } = latent;
  random.seed(8);
  for (const [rows, columns] of [[90, 130], [37, 1000], [3, 16385], [700, 24], [1, 40000]]) {
    for (const dtype of ['float32', 'float64']) {
      const draw = shape => random.uniform(shape, { low: -1, high: 2, dtype });
      const x = draw([rows, columns]), row = draw([columns]), column = draw([rows, 1]), turned = draw([columns, rows]).transpose();
      const [xs, along, down] = [x, row, column].map(t => t.toTypedArray());
      const made = {
        row: () => x.add(row), column: () => x.sub(column), outer: () => column.mul(row), turned: () => turned.add(x),
        unary: () => turned.relu(), function: () => turned.exp(), clip: () => turned.clip(-0.5, 0.5),
        where: () => where(x.greater(0), turned, column), compare: () => turned.less(column),
      };
      for (const [name, make] of Object.entries(made)) {
        for (let time = 0; time < 2; time++) {
          const y = make(), values = y.toTypedArray();
          if (name === 'row' || name === 'column') {
            const one = dtype === 'float32' ? Math.fround : v => v;
            const wrong = values.findIndex((v, i) => v !== one(name === 'row' ? xs[i] + along[i % columns]
                                                                               : xs[i] - down[Math.floor(i / columns)]));
            if (wrong >= 0) throw new Error(name + ' of ' + [rows, columns] + ' is wrong at ' + wrong);
          }
          console.log(name, dtype, rows, columns, createHash('sha256').update(Buffer.from(values.buffer)).digest('hex'));
          y.dispose();
        }
      }
    }
  }
`;

test('operations on rows give the same bits whether or not their results are streamed', () => {
  const plain = runWell(elementwise, { env: { LATENT_CACHES: '32K,512M', LATENT_NUM_THREADS: '1' } });
  expect(plain.split('\n')).toHaveLength(5 * 2 * 9 * 2);
  // Without a third cache all are streamed; with one, those in the place of what was disposed of are not.
  for (const caches of ['4K,8K', '4K,8K,64M']) {
    for (const threads of ['1', '3']) {
      const streamed = runWell(elementwise, { env: { LATENT_CACHES: caches, LATENT_NUM_THREADS: threads } });
      expect(streamed.split('\n')).toEqual(plain.split('\n'));
    }
  }
});
