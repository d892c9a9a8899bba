import { Leaf } from '../autograd/tape.js';
import { BlockError } from '../errors.js';
import type { DType } from '../tensor/dtype.js';
import { internals } from '../tensor/tensor.js';
import { runPass } from '../trace/shape-pass.js';
import { Trace } from '../trace/trace.js';
import { type Flat, fill, flatten, strangerIn } from './frame.js';
import type { Graph } from './graph.js';

/** Who asks for a forward's graph, for messages, and what to do where there can be none. */
export interface Asker {
  readonly who: string;
  readonly instead: string;
}

/** What graphs are made of: a forward, and how to speak of it. */
export interface Subject {
  /** Runs the forward on the trace's tensors. */
  trace(inputs: unknown[], trace: Trace): unknown;
  /** What is running, for messages. */
  running(): unknown;
  describe(running: unknown): string;
  /** The same of what ran when something was traced. */
  where(owner: unknown): string;
  /** What is made of a forward; by default one plan, of its graph with less to do. */
  parts?(seen: Evaluated): Parts;
}

/** An input of a kind. */
export interface InputKind {
  readonly shape: readonly number[];
  readonly dtype: DType;
  /** Whether the elements lie behind one another: which kernels run may depend on it. */
  readonly inOrder: boolean;
  /** Whether a gradient flows back to it. */
  readonly tracked: boolean;
}

/** A forward that was evaluated on shapes. */
export interface Evaluated {
  readonly graph: Graph;
  readonly output: Flat;
  readonly trace: Trace;
}

/** What is made of a forward. */
export interface Parts {
  /** What plans run, one for each. */
  readonly graphs: readonly Graph[];
  /** What the one who asked for it wants to know again. */
  readonly notes: unknown;
}

/** What a forward computes for inputs of such kinds, in a frame or (null) as they are; raises where it wants values. */
export function evaluate(subject: Subject, asker: Asker, kinds: readonly InputKind[], frame: unknown): Evaluated {
  const trace = new Trace(() => subject.running());
  const inputs = kinds.map(kind => {
    const t = trace.input(kind);
    if (kind.tracked) internals.setGradState(t, new Leaf(t, 'write'));
    return t;
  });
  const random = Math.random;
  Math.random = () => trace.refuseRead('Math.random() was called');
  try {
    const answer = runPass(trace, () =>
      flatten(subject.trace(frame === null ? inputs : (fill(frame, inputs) as unknown[]), trace)),
    );
    if (answer === 'refused') throw refusal(subject, asker, trace);
    const stranger = strangerIn(answer.frame);
    if (stranger !== null) {
      throw new BlockError(
        `${asker.who}: the forward of ${subject.describe(null)} gives a ${stranger.constructor?.name ?? 'object'}, whose tensors a plan cannot give; ` +
          'return a tensor, an array or a plain object',
      );
    }
    return {
      graph: {
        inputs,
        strided: new Set(inputs.filter((_, i) => !kinds[i]?.inOrder)),
        nodes: trace.nodes,
        outputs: answer.tensors,
        held: trace.held,
        results: trace.results,
      },
      output: answer,
      trace,
    };
  } finally {
    Math.random = random;
  }
}

function refusal(subject: Subject, { who, instead }: Asker, trace: Trace): BlockError {
  const { what, owner } = trace.refusal ?? { what: 'a value was read', owner: null };
  return new BlockError(
    `${who}: ${what.replace(/^its value/, "a tensor's value")} while tracing, in ${subject.describe(owner)}; what is traced runs without JavaScript, so compute with tensors, ` +
      `or ${instead}`,
  );
}
