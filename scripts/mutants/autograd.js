/** Edits of lib/autograd. */
module.exports = [
  {
    file: 'lib/autograd/commit.ts',
    from: "if (leaf.gradReq === 'add' && !flow.begun.has(leaf)) {",
    to: "if (leaf.gradReq === 'add') {",
    breaks: "a gradient of gradReq 'add' that began with the earlier one is added to it again",
    tests: ['test/autograd/backward.test.ts', 'test/autograd/modes.test.ts'],
  },
  {
    file: 'lib/autograd/commit.ts',
    from: 'if (!addsUp) rows.clear();',
    to: '',
    breaks: 'rows of a gradient that is overwritten keep what they had',
    tests: ['test/autograd', 'test/optim/rows.test.ts'],
  },
  {
    file: 'lib/autograd/commit.ts',
    from: 'internals.bump(grad);\n      internals.setId(ready, 0);',
    to: 'internals.setId(ready, 0);',
    breaks: 'a gradient that is adopted keeps its version',
    tests: ['test/autograd/backward.test.ts', 'test/autograd/modes.test.ts'],
  },
  {
    file: 'lib/autograd/tape.ts',
    from: '(output !== null && versionOf(output) !== versions[inputs.length])',
    to: '(output !== null && versionOf(output) < (versions[inputs.length] as number))',
    breaks: 'a result that was changed in place before backward is taken as it is',
    tests: ['test/autograd/backward.test.ts', 'test/autograd/modes.test.ts'],
  },
  {
    file: 'lib/autograd/rows.ts',
    from: "invokeInto('markRows', MARK_ROWS, [slices.indices], this.marks);\n    this.#version = internals.version(this.grad);",
    to: "invokeInto('markRows', MARK_ROWS, [slices.indices], this.marks);",
    breaks: 'a gradient by rows is taken for one that others wrote',
    tests: ['test/autograd', 'test/optim/rows.test.ts'],
  },
  {
    file: 'lib/autograd/engine.ts',
    from: 'edges.indexOf(edge) !== edges.lastIndexOf(edge)',
    to: 'edges.indexOf(edge) < 0',
    breaks: 'a variable that stands twice in one operation has the gradient of one place',
    tests: ['test/autograd/backward.test.ts', 'test/autograd/modes.test.ts'],
  },
  {
    file: 'lib/autograd/backward.ts',
    from: 'return createGraph ? g : convert(g, g.dtype);',
    to: 'return createGraph ? convert(g.detach(), g.dtype) : convert(g, g.dtype);',
    breaks: 'gradients have no gradients',
    tests: ['test/autograd/higher-order.test.ts'],
  },
  {
    file: 'lib/autograd/backward.ts',
    from: 'if (!retainGraph) for (const node of order) node.saved = null;',
    to: '',
    breaks: 'a graph is not freed',
    tests: ['test/autograd/backward.test.ts', 'test/autograd/modes.test.ts'],
  },
];
