/** Edits of native/binding: what is checked of a call, and who holds what. */
module.exports = [
  {
    file: 'native/binding/session.cc',
    from: `if (environment_->shouldReuse(bytes)) {
    hold(call, inputs);`,
    to: 'if (environment_->shouldReuse(bytes)) {',
    breaks: 'an input whose handle is dead is freed before it is read',
    tests: ['test/memory/young.test.ts'],
  },
  {
    file: 'native/binding/young_collector.cc',
    from: 'toPass_ = 1 << failures_;',
    to: 'giveUp();',
    breaks: 'the collector is looked for once, though the stack had no room for it',
    tests: ['test/memory/young.test.ts'],
    dist: true,
  },
  {
    file: 'native/binding/session.cc',
    from: 'if (op.kind != OpKind::kMap || !sameWindow(call.in[i], call.out)) return LATENT_BROKEN;',
    to: 'if (op.kind != OpKind::kMap && !sameWindow(call.in[i], call.out)) return LATENT_BROKEN;',
    breaks: 'an operation writes into what it reads through another window',
    tests: ['test/native'],
  },
  {
    file: 'native/binding/session.cc',
    from: 'if (call.inputs < op.minInputs || call.inputs > op.maxInputs)',
    to: 'if (call.inputs > op.maxInputs)',
    breaks: 'an operation runs with fewer inputs than it reads',
    tests: ['test/native'],
  },
  {
    file: 'native/binding/session.cc',
    from: 'if (size > 9007199254740992.0) return LATENT_BROKEN;',
    to: '',
    breaks: 'the size of a result overflows',
    tests: ['test/native'],
  },
  {
    file: 'native/binding/session.cc',
    from: "call.output(i).storage->retain();  // the slot's own count, beside the pin's",
    to: '',
    breaks: 'one of several results is freed while its tensor lives',
    tests: ['test/autograd/backward.test.ts', 'test/native'],
  },
  {
    file: 'native/binding/arguments.h',
    from: '!= napi_ok || length != bytes) return false;',
    to: '!= napi_ok || length < (bytes < 4 ? bytes : 4)) return false;',
    breaks: "a plan's numbers are read after the end of their buffer",
    tests: ['test/native'],
  },
];
