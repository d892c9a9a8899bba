/** Edits of lib/onnx: axes, defaults, tables, and what is a weight. */
module.exports = [
  {
    file: 'lib/onnx/weights.ts',
    from: "if (size === 1) return learns === 'shifts' && count === 1",
    to: 'if (size === 1) return count === 1',
    breaks: 'a factor of one number is a weight',
    tests: ['test/onnx/weights.test.ts'],
  },
  {
    file: 'lib/onnx/weights.ts',
    from: 'wide.length === 1 && (axis === null || wide[0] === axis)',
    to: 'wide.length === 1',
    breaks: 'a vector along another axis than the channels is a weight',
    tests: ['test/onnx/weights.test.ts'],
  },
  {
    file: 'lib/onnx/table.ts',
    from: 'd < before || t.shape[d - before] === 1 ? 0 : (strides[d - before] as number)',
    to: 'd < before ? 0 : (strides[d - before] as number)',
    breaks: 'a table with an axis of 1 is not repeated along it',
    tests: ['test/onnx/tables.test.ts'],
  },
  {
    file: 'lib/onnx/table.ts',
    from: 't.values.slice((i * size + place) * inner, (i * size + place + 1) * inner)',
    to: 't.values.slice((i + place) * inner, (i + place + 1) * inner)',
    breaks: 'parts of a table along another axis than the first are taken from the first rows',
    tests: ['test/onnx/tables.test.ts'],
  },
  {
    file: 'lib/onnx/operators/read-along-axes.ts',
    from: "node.ints('axes');\n    const keepdims = node.int('keepdims', 1) !== 0;",
    to: "node.ints('axes');\n    const keepdims = node.int('keepdims', 0) !== 0;",
    breaks: 'reductions drop their axes by default',
    tests: ['test/onnx/import.test.ts', 'test/onnx/refused.test.ts', 'test/onnx/foreign.test.ts'],
  },
  {
    file: 'lib/onnx/operators/products.ts',
    from: 'trailing: [pads[2] as number, pads[3] as number],',
    to: 'trailing: [pads[3] as number, pads[2] as number],',
    breaks: 'what lies below an image and what lies to its right change places',
    tests: ['test/onnx/import.test.ts', 'test/onnx/refused.test.ts', 'test/onnx/foreign.test.ts'],
  },
  {
    file: 'lib/onnx/operators/products.ts',
    from: 'output_padding: trailing.map(n => Math.max(0, -n)),',
    to: 'output_padding: [0, 0],',
    breaks: 'a transposed convolution is written without the rows that it adds',
    tests: ['test/onnx/export.test.ts', 'test/onnx/every-layer.test.ts', 'test/onnx/every-op.test.ts'],
  },
  {
    file: 'lib/onnx/operators/pool.ts',
    from: "isAverage ? node.int('count_include_pad', 0) !== 0 : true",
    to: "isAverage ? node.int('count_include_pad', 1) !== 0 : true",
    breaks: 'zeros around the input count in averages by default',
    tests: ['test/onnx/import.test.ts', 'test/onnx/refused.test.ts', 'test/onnx/foreign.test.ts'],
  },
];
