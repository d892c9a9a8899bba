import '../autograd/backward.js';
import { topological } from '../autograd/engine.js';
import { recorded, unrecorded } from '../autograd/modes.js';
import { edgeOf, Leaf, record } from '../autograd/tape.js';
import { AutogradError } from '../errors.js';
import { convert } from '../ops/cast.js';
import { context } from '../ops/context.js';
import { zeros } from '../ops/create.js';
import { withScope } from '../ops/invoke.js';
import type { AnyOp, Gradient, GradientContext, Operand } from '../ops/op.js';
import { type GradState, isTensor, type Tensor } from '../tensor/tensor.js';
import type { Owner } from '../trace/shape-pass.js';
import type { Applied, Trace, TracedNode } from '../trace/trace.js';
import { traceBackward, type VariableGradient } from './backward.js';
import type { Found } from './cache.js';
import type { Evaluated, Parts, Subject } from './evaluate.js';
import { flatten } from './frame.js';
import type { Graph } from './graph.js';
import { lower } from './lower.js';

/**
 * A forward while gradients are recorded: one plan for it, which also hands out what gradients read, and one for the way
 * back. To the tape the whole call is one operation.
 */

/** The parts of a recorded forward. */
interface Notes {
  /** Which tensor each result is: the same one may be several. What gradients read comes after them all. */
  readonly results: readonly number[];
  /** The tensors that gradients flow back from, by their places. */
  readonly heads: readonly number[];
  /** The inputs that gradients flow back to, by their places, and the variables of the forward. */
  readonly inputs: readonly number[];
  readonly leaves: readonly Leaf[];
  /** The heads that something flows back from, for each of the inputs and variables: none comes from others. */
  readonly reached: readonly (readonly number[])[];
  /**
   * The arguments of the backward plan after the heads' gradients: an input, by its place, or (-1) the next result of the
   * forward.
   */
  readonly taken: readonly number[];
  /** The variables whose values the way back reads, by their places among `leaves`. */
  readonly read: readonly number[];
}

/** The backward plan, until a forward's graph is known. */
interface WayBack {
  /** How many of the trace's nodes are the forward's. */
  readonly forward: number;
  readonly heads: readonly { readonly place: number; readonly state: GradState; readonly g: Tensor }[];
  readonly gradients: readonly VariableGradient[];
}

/** Evaluates a subject's forward with its gradients. */
export function recordedSubject(subject: Subject): Subject {
  const ways = new WeakMap<Trace, WayBack>();
  return {
    ...subject,
    trace(inputs, trace) {
      const result = recorded(() => subject.trace(inputs, trace));
      const forward = trace.nodes.length;
      const heads = distinct(flatten(result).tensors).flatMap((t, place) => {
        const state = edgeOf(t);
        return state === null ? [] : [{ place, state, g: trace.tensor(t) }];
      });
      const gradients = unrecorded(() => traceBackward(trace, heads, null));
      ways.set(trace, { forward, heads, gradients });
      return result;
    },
    parts: seen => split(seen, ways.get(seen.trace) as WayBack),
  };
}

const nothing: Parts = { graphs: [], notes: null };

function split({ graph, output, trace }: Evaluated, { forward, heads, gradients }: WayBack): Parts {
  const before = graph.nodes.slice(0, forward);
  const made = new Set(before.flatMap(outputsOf));
  // A tensor that is passed through has a graph of its own already; rows that were picked flow back as rows.
  const outputs = distinct(output.tensors);
  const results = output.tensors.map(t => outputs.indexOf(t));
  const isPlain = outputs.every(t => made.has(t));
  const picksRows = before.some(node => node.kind === 'apply' && picksRowsOfVariable(node));
  if (!isPlain || picksRows) return nothing;
  if (heads.length === 0) {
    const notes: Notes = { results, heads: [], inputs: [], leaves: [], reached: [], taken: [], read: [] };
    return { graphs: [{ ...graph, outputs }], notes };
  }
  const inputs = graph.inputs.flatMap((t, i) => (gradients.some(one => one.leaf === edgeOf(t)) ? [i] : []));
  const leaves = gradients.map(one => one.leaf).filter(leaf => !graph.inputs.includes(leaf.variable));
  const { back, held } = backGraph(graph, trace, forward, heads, [
    ...inputs.map(i => gradientOf(gradients, edgeOf(graph.inputs[i] as Tensor) as Leaf)),
    ...leaves.map(leaf => gradientOf(gradients, leaf)),
  ]);
  const read = back.inputs.slice(heads.length);
  const handed = read.filter(t => !graph.inputs.includes(t));
  const notes: Notes = {
    heads: heads.map(head => head.place),
    results,
    inputs,
    leaves,
    reached: [...inputs.map(i => edgeOf(graph.inputs[i] as Tensor) as Leaf), ...leaves].map(leaf =>
      heads.flatMap((head, i) => (reaches(head.state, leaf) ? [i] : [])),
    ),
    taken: read.map(t => graph.inputs.indexOf(t)),
    read: leaves.flatMap((leaf, i) => (held.has(leaf) ? [i] : [])),
  };
  return { graphs: [{ ...graph, nodes: before, outputs: [...outputs, ...handed] }, back], notes };
}

const distinct = (list: readonly Tensor[]): Tensor[] => [...new Set(list)];

function outputsOf(node: TracedNode): readonly Tensor[] {
  if (node.kind === 'apply') return [node.output, ...node.work];
  return node.kind === 'make' ? [node.output] : [];
}

function picksRowsOfVariable({ op, attrs, inputs: [table] }: Applied): boolean {
  return op.picksRows?.(attrs) === true && isTensor(table) && edgeOf(table) instanceof Leaf;
}

/** Whether a gradient flows from a state to a variable. */
function reaches(state: GradState, leaf: Leaf): boolean {
  return state === leaf || topological([state]).some(node => node.edges.includes(leaf));
}

function gradientOf(gradients: readonly VariableGradient[], leaf: Leaf): Tensor {
  return gradients.find(one => one.leaf === leaf)?.gradient as Tensor;
}

/** The graph of the way back, with what it reads of the forward for inputs. */
function backGraph(
  graph: Graph,
  trace: Trace,
  forward: number,
  heads: WayBack['heads'],
  outputs: readonly Tensor[],
): { back: Graph; held: ReadonlySet<GradState | null> } {
  const makers = new Map<Tensor, TracedNode>();
  for (const node of graph.nodes.slice(0, forward)) for (const t of outputsOf(node)) makers.set(t, node);
  const own = graph.nodes.slice(forward);
  const read = new Set<Tensor>();
  const again = new Set<TracedNode>();
  const need = (t: Tensor): void => {
    if (read.has(t)) return;
    const maker = makers.get(t);
    if (maker?.kind === 'apply' && maker.op.view !== undefined) {
      again.add(maker);
      need(maker.inputs[0] as Tensor);
    } else if (maker !== undefined || graph.inputs.includes(t)) {
      read.add(t);
    }
  };
  for (const node of own) {
    if (node.kind === 'gradient') for (const t of node.reads) need(t);
    if (node.kind === 'apply') for (const t of node.inputs) if (isTensor(t)) need(t);
  }
  const nodes = [...graph.nodes.slice(0, forward).filter(node => again.has(node)), ...own];
  const whole: Graph = {
    inputs: [...heads.map(head => head.g), ...read],
    strided: graph.strided,
    nodes,
    outputs,
    held: trace.held,
    results: [],
  };
  // Gradients name all that they may read; what the calls don't is not handed out.
  const { steps, values, outputs: given, held: owners } = lower(whole);
  const touched = new Set(steps.flatMap(step => step.inputs.filter(input => input >= 0)));
  const used = new Set([...touched].flatMap(value => (values[value]?.origin === 'input' ? [values[value].index] : [])));
  for (const one of given) if (one.from === 'input') used.add(one.index);
  const standIns = new Map([...trace.held].map(([t, owner]) => [owner, t]));
  const held = new Set(
    [...touched].flatMap(value => {
      const { origin, index } = values[value] as (typeof values)[number];
      const standIn = origin === 'held' ? standIns.get(owners[index] as Owner) : undefined;
      return standIn === undefined ? [] : [edgeOf(standIn)];
    }),
  );
  return { back: { ...whole, inputs: whole.inputs.filter((_, i) => i < heads.length || used.has(i)) }, held };
}

/** Runs a recorded forward's plan and records what its results were computed from; null where there is none. */
export function runRecorded(found: Found, run: (body: () => Tensor[]) => Tensor[]): Tensor[] | null {
  const notes = found.notes as Notes | null;
  if (notes === null) return null;
  const [forward, back] = found.plans as [Found['plan'], Found['plan']];
  const outputs = run(() => unrecorded(() => forward.run(found.tensors)));
  const count = 1 + Math.max(-1, ...notes.results);
  if (notes.heads.length > 0) attach(notes, found, back, outputs, outputs.slice(count));
  return notes.results.map(i => outputs[i] as Tensor);
}

function attach(
  notes: Notes,
  { tensors }: Found,
  back: Found['plan'],
  outputs: readonly Tensor[],
  kept: readonly Tensor[],
): void {
  const heads = notes.heads.map(i => outputs[i] as Tensor);
  const shapes = heads.map(({ shape, dtype }) => ({ shape, dtype: dtype as 'float32' }));
  const operands: Operand[] = [...tensors, ...notes.leaves.map(leaf => leaf.variable)];
  const gradients = (
    arrived: readonly (Tensor | null)[],
    { inputs, work }: GradientContext<unknown>,
  ): (Tensor | null)[] => {
    if (context.tape !== null) {
      throw new AutogradError(
        'autograd.grad with createGraph goes through a hybridized net, whose gradients are no graph; call hybridize(false) on it',
      );
    }
    let next = 0;
    const read = notes.taken.map(i => (i < 0 ? (work[next++] as Tensor) : (inputs[i] as Tensor)));
    const whole = arrived.map((g, i) => g ?? (zeros(shapes[i]?.shape ?? [], { dtype: shapes[i]?.dtype }) as Tensor));
    const made = back.run([...whole, ...read]);
    const given: (Tensor | null)[] = operands.map(() => null);
    const places = [...notes.inputs, ...notes.leaves.map((_, i) => tensors.length + i)];
    places.forEach((place, i) => {
      if (notes.reached[i]?.some(head => arrived[head] !== null) === true) given[place] = made[i] as Tensor;
    });
    return given;
  };
  // The tensors that the backward pass reads must not have changed since.
  const saves = { inputs: [...notes.taken.filter(i => i >= 0), ...notes.read.map(i => tensors.length + i)] };
  const [only] = heads as [Tensor];
  if (heads.length === 1) {
    record(
      operation((g, context) => gradients([g], context), saves),
      null,
      operands,
      only,
      kept,
    );
    return;
  }
  // Several results share one token; all that comes back has arrived by the time at which its own turn comes.
  const token = unrecorded(() => zeros([]));
  const arrived: (Tensor | null)[] = heads.map(() => null);
  let arrivedOn = context.backward;
  const join = operation((_, context) => {
    const all = [...arrived];
    arrived.fill(null);
    return gradients(all, context);
  }, saves);
  record(join, null, operands, token, kept);
  heads.forEach((head, i) => {
    const part = operation(g => {
      // The remains of an earlier backward, which failed before it came to the token, are no part of this one.
      if (arrivedOn !== context.backward) arrived.fill(null);
      arrivedOn = context.backward;
      // The one that carries it goes before the others have come.
      arrived[i] = withScope(null, () => convert(g, g.dtype));
      return [zeros([]) as Tensor];
    }, {});
    record(part, null, [token], head, []);
  });
}

function operation(gradient: Gradient<unknown>, saves: AnyOp['saves']): AnyOp {
  return { name: 'a hybridized call', infer: notApplied, run: notApplied, gradient, saves };
}

function notApplied(): never {
  throw new AutogradError('a hybridized call is not applied through the table of operations');
}
