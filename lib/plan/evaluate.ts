import { Leaf } from '../autograd/tape.js';
import { BlockError } from '../errors.js';
import type { DType } from '../tensor/dtype.js';
import { internals } from '../tensor/tensor.js';
import { runPass } from '../trace/shape-pass.js';
import { Trace } from '../trace/trace.js';
import { type Flat, fill, flatten, strangerIn } from './frame.js';
import type { Graph } from './graph.js';

/** Who asks for a forward's graph, for messages, and what to do where there can be none. */
export interface Requester {
  readonly who: string;
  readonly instead: string;
}

/** A forward that is traced, and its names in messages. */
export interface Subject {
  /** Runs the forward on the trace's tensors. */
  trace(inputs: unknown[], trace: Trace): unknown;
  /** The block or operation that runs, for messages. */
  running(): unknown;
  describe(running: unknown): string;
  /** The same of what ran when something was traced. */
  where(owner: unknown): string;
  /** Makes the programs of a forward; by default one, of its optimized graph. */
  parts?(seen: Evaluated): Parts;
}

/** An input of a kind. */
export interface InputKind {
  readonly shape: readonly number[];
  readonly dtype: DType;
  /** Whether the elements are contiguous: which kernels run may depend on it. */
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

/** The programs of a forward. */
export interface Parts {
  /** The programs, one for each plan. */
  readonly graphs: readonly Graph[];
  /** Data that the requester gets back. */
  readonly notes: unknown;
}

/** Traces a forward for inputs of such kinds, placed in a frame or (null) as they are. Throws if it reads values. */
export function evaluate(
  subject: Subject,
  requester: Requester,
  kinds: readonly InputKind[],
  frame: unknown,
): Evaluated {
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
    if (answer === 'refused') throw refusal(subject, requester, trace);
    const stranger = strangerIn(answer.frame);
    if (stranger !== null) {
      throw new BlockError(
        `${requester.who}: the forward of ${subject.describe(null)} gives a ${stranger.constructor?.name ?? 'object'}, whose tensors a plan cannot give; ` +
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

function refusal(subject: Subject, { who, instead }: Requester, trace: Trace): BlockError {
  const { what, owner } = trace.refusal ?? { what: 'a value was read', owner: null };
  return new BlockError(
    `${who}: ${what.replace(/^its value/, "a tensor's value")} while tracing, in ${subject.describe(owner)}; what is traced runs without JavaScript, so compute with tensors, ` +
      `or ${instead}`,
  );
}
