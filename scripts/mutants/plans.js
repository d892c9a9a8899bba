/** Edits of lib/plan and of predictions. */
const plans = ['test/plan/passes.test.ts', 'test/plan/compile.test.ts'];

module.exports = [
  {
    file: 'lib/plan/passes/activations.ts',
    from: 'node.op.name) === true && uses.get(input) === 1) {',
    to: 'node.op.name) === true) {',
    breaks: 'a product that others read is fused with what follows it',
    tests: plans,
  },
  {
    file: 'lib/plan/passes/norms.ts',
    from: 'if (maker === undefined || uses.get(x) !== 1) return null;',
    to: 'if (maker === undefined) return null;',
    breaks: 'a normalization is taken into a layer that others read',
    tests: plans,
  },
  {
    file: 'lib/plan/passes/norms.ts',
    from: 'graph.held.has(t) ? !written.has(t) : fixed.has(t)',
    to: 'graph.held.has(t) || fixed.has(t)',
    breaks: 'a normalization is folded by statistics that the forward writes',
    tests: plans,
  },
  {
    file: 'lib/plan/passes/dead.ts',
    from: "(node.kind === 'make' && node.draws) ||",
    to: '',
    breaks: 'a draw that nobody reads does not move its stream',
    tests: plans,
  },
  {
    file: 'lib/plan/passes/common.ts',
    from: 'if (inputs.some(input => isTensor(input) && written.has(input))) {',
    to: 'if (inputs.length === 0) {',
    breaks: 'what is read before and behind a write is computed once',
    tests: plans,
  },
  {
    file: 'lib/plan/passes/common.ts',
    from: "Object.is(value, -0) ? '-0'",
    to: "Object.is(value, null) ? '-0'",
    breaks: 'operations with 0 and with -0 are the same',
    tests: plans,
  },
  {
    file: 'lib/plan/steps/storage.ts',
    from: "step.kind !== 'into' && step.draw === null &&",
    to: "step.kind !== 'into' &&",
    breaks: 'a draw is made once for all runs',
    tests: plans,
  },
  {
    file: 'lib/plan/steps/hoist.ts',
    from: '!handedOut.has(roots[output] as number) && fixed',
    to: 'fixed',
    breaks: 'a result that depends on parameters alone is the same tensor in each run',
    tests: ['test/plan/hybridize.test.ts'],
  },
  {
    file: 'lib/nn/predict.ts',
    from: 'const range = [from, Math.min(count, from + most)] as const;',
    to: 'const range = [from, Math.min(count - 1, from + most)] as const;',
    breaks: 'the last part of a prediction loses its last sample',
    tests: ['test/plan/predict.test.ts'],
  },
  {
    file: 'lib/nn/predict.ts',
    from: 'mapTensors(inputs, t => (t.shape[0] === count ? slice(t, range) : t))',
    to: 'mapTensors(inputs, t => slice(t, range))',
    breaks: 'inputs that are no samples are cut as well',
    tests: ['test/plan/predict.test.ts'],
  },
];
