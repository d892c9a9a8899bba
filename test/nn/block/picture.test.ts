import { nn, type Tensor } from '../../../lib/index.js';
import { allBits } from '../../support/nn-helpers.js';

/** The texts of an SVG box by box, and how many lines lead from box to box; raises where tags don't match. */
function read(svg: string): { boxes: string[][]; edges: number } {
  const open: string[] = [];
  for (const [, close, name, selfClosed] of svg.matchAll(/<(\/?)([a-z]+)(?:\s[^<>]*?)?(\/?)>/g)) {
    if (selfClosed === '/') continue;
    if (close === '') open.push(name as string);
    else expect(open.pop()).toBe(name);
  }
  expect(open).toEqual([]);
  const boxes = [...svg.matchAll(/<g><rect.*?<\/g>/g)].map(([box]) =>
    [...box.matchAll(/<text[^>]*>(.*?)<\/text>/g)].map(m => m[1] as string),
  );
  return { boxes, edges: [...svg.matchAll(/<path d="M[^"]*" marker-end/g)].length };
}

test('shows layers with their settings, shapes and parameters, before anything is initialized', () => {
  const net = new nn.Sequential(
    new nn.Conv2D(6, { kernelSize: 5, activation: 'relu' }),
    new nn.MaxPool2D({ poolSize: 2 }),
    new nn.Flatten(),
    new nn.Dropout(0.5),
    new nn.Dense(10),
  );
  const svg = net.toSVG([32, 1, 28, 28]);
  expect(read(svg)).toEqual({
    boxes: [
      ['input', '[32, 1, 28, 28] float32'],
      [
        'Conv2D 0',
        '1 -&gt; 6, kernelSize = 5, strides = 1, padding = 0, Activation(relu)',
        '[32, 6, 24, 24]',
        '156 parameters*',
      ],
      ['MaxPool2D 1', 'size = 2, strides = 2, padding = 0', '[32, 6, 12, 12]'],
      ['Flatten 2', '[32, 864]'],
      ['Dropout 3', 'p = 0.5', '[32, 864]'],
      ['Dense 4', '864 -&gt; 10, linear', '[32, 10]', '8,650 parameters*'],
      ['output', '[32, 10]'],
    ],
    edges: 6,
  });
  expect(svg).toContain('* without values yet');
  // And changes nothing.
  expect(net[4].inUnits).toBe(-1);
  net.initialize();
  net.inferShape([1, 1, 28, 28]);
  const before = allBits(net);
  expect(net.toSVG([32, 1, 28, 28])).not.toContain('*');
  expect(allBits(net)).toEqual(before);
});

test('shows what blocks do between their layers, and who feeds whom', () => {
  class Gated extends nn.Block {
    readonly value = new nn.Dense(8);
    readonly gate = new nn.Dense(8, { activation: 'sigmoid' });
    forward(x: Tensor, y: Tensor) {
      const gated = this.value(x).mul(this.gate(x));
      return [gated.add(y.sum({ axis: 1, keepdims: true })), gated.transpose().reshape([-1])];
    }
  }
  const { boxes, edges } = read(new Gated().toSVG([4, 5], [4, 3]));
  expect(boxes.map(([title]) => title)).toEqual([
    'input',
    'input',
    'Dense value',
    'Dense gate',
    'mul',
    'sum',
    'add',
    'transpose · reshape',
    'output',
  ]);
  expect(boxes.at(-1)).toEqual(['output', '[4, 8], [32]']);
  // x to both layers, these to mul, y to sum, mul and sum to add, mul to the row, add and row to the output.
  expect(edges).toBe(10);
});

test('a layer that is called twice is drawn twice, and its parameters are counted once', () => {
  class Twice extends nn.Block {
    readonly layer = new nn.Dense(5);
    forward(x: Tensor): Tensor {
      return this.layer(this.layer(x));
    }
  }
  const { boxes, edges } = read(new Twice().toSVG([4, 5]));
  expect(boxes.map(box => box.join(' | '))).toEqual([
    'input | [4, 5] float32',
    'Dense layer | 5 -&gt; 5, linear | [4, 5] | 30 parameters*',
    'Dense layer | 5 -&gt; 5, linear | [4, 5]',
    'output | [4, 5]',
  ]);
  expect(edges).toBe(3);
});

test('names of any letters are text', () => {
  class Odd extends nn.Block {
    readonly parts = new Map([['<a&"b\'>', new nn.Dense(2)]]);
    forward(x: Tensor): Tensor {
      return this.parts.get('<a&"b\'>')!(x);
    }
  }
  expect(read(new Odd().toSVG([4, 5])).boxes[1]?.[0]).toBe('Dense parts.&lt;a&amp;&quot;b&#39;&gt;');
});

test('every layer has a picture', () => {
  const net = new nn.Sequential(
    new nn.Embedding(100, 32),
    new nn.TransformerEncoderLayer(4),
    new nn.LSTM(8),
    new nn.Concurrent(new nn.Identity(), new nn.Dense(3, { flatten: false })),
    new nn.Residual(new nn.LayerNorm()),
  );
  const { boxes, edges } = read(net.toSVG([8, 12], { dtype: 'int32' }));
  expect(boxes.length).toBeGreaterThan(20);
  expect(edges).toBeGreaterThan(boxes.length - 2);
});

test('errors are those of a forward, and of shapes', () => {
  const net = new nn.Sequential(new nn.Dense(3, { inUnits: 4 }));
  expect(() => net.toSVG([2, 5])).toThrow(/takes 4 input units/);
  expect(() => net.toSVG()).toThrow('Sequential.toSVG takes the shape of each input, as in toSVG([32, 784])');
  expect(() => net.toSVG([-1, 4])).toThrow(/toSVG/);
  expect(() => new nn.Lambda(x => x.mul(x.sum().item() as number)).toSVG([2])).toThrow(
    /toSVG: the forward of Lambda reads values/,
  );
});
