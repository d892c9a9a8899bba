import { io, type nn, random, type Tensor } from '../../lib/index.js';
import { type Entry, inputOf, layers } from '../support/layers.js';
import { allBits } from '../support/nn-helpers.js';
import { disagreement, flat } from '../support/onnx-models.js';

const tolerance = { float32: 4e-6, float64: 1e-11 };
/** A normalization of elements that hardly differ loses some of their digits. */
const normalized = { float32: 3e-5, float64: 1e-10 };

function made(entry: Entry, dtype: 'float32' | 'float64'): nn.Block {
  random.seed(11);
  const net = entry.make() as nn.Block;
  net.cast(dtype);
  net.initialize({ init: 'uniform' });
  return net;
}

describe.each(Object.entries(layers))('%s', (name, entry) => {
  test.each(['float32', 'float64'] as const)('answers from its file as it did, in %s, for any batch', async dtype => {
    const net = made(entry, dtype);
    const inType = (x: Tensor): Tensor => (x.dtype === 'int32' ? x : (x.cast(dtype) as Tensor));
    const sample = entry.input.slice(1);
    const model = net.toOnnx({ inputShape: [-1, ...sample], dtype: entry.ids === undefined ? dtype : 'int32' });
    for (const batch of [entry.input[0] as number, 1, 6]) {
      const x = inType(inputOf(entry, [batch, ...sample]));
      expect(await disagreement(model, [x], flat(net.predictSync(x)), /Norm/.test(name) ? normalized : tolerance)).toBe(
        null,
      );
    }
  });
  test('is the same model when its file is read and written again', () => {
    const net = made(entry, 'float32');
    const dtype = entry.ids === undefined ? 'float32' : 'int32';
    const options = { inputShape: [-1, ...entry.input.slice(1)], dtype } as const;
    const model = net.toOnnx(options);
    const again = io.onnx.fromBytes(model);
    const x = inputOf(entry);
    expect(flat(io.onnx.fromBytes(again.toOnnx(options)).predictSync(x)).map(t => t.toArray())).toEqual(
      flat(again.predictSync(x)).map(t => t.toArray()),
    );
    expect(Object.values(allBits(again.clone() as nn.Block))).toEqual(
      Object.values(allBits(again as unknown as nn.Block)),
    );
  });
});
