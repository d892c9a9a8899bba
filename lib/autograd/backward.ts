import { ArgumentError, AutogradError, ShapeError } from '../errors.js';
import { convert } from '../ops/cast.js';
import { context, within } from '../ops/context.js';
import { ones, zerosLike } from '../ops/create.js';
import { checkBoolean, checkOptions, shown, shownShape } from '../support/check.js';
import { sameShape } from '../tensor/shape.js';
import { checkTensor, type GradState, internals, type Tensor } from '../tensor/tensor.js';
import { commit } from './commit.js';
import { arrive, carryBack, topological } from './engine.js';
import { Flow } from './flow.js';
import { recorded, unrecorded } from './modes.js';
import { checkVersions, type Node } from './tape.js';

interface BackwardRun {
  readonly who: string;
  readonly heads: readonly Tensor[];
  readonly headGrads: readonly (Tensor | null | undefined)[] | undefined;
  readonly retainGraph: boolean;
  /** Whether the way back is recorded itself. */
  readonly createGraph: boolean;
  readonly addsUp: boolean;
  /** Nodes that keep the gradient which arrives at them. */
  readonly wanted: ReadonlySet<GradState>;
}

function checkNode(who: string, node: Node): void {
  if (node.saved === null) {
    throw new AutogradError(
      `${who}: the graph was already used by an earlier backward, which freed it; pass { retainGraph: true } to the first to use it again`,
    );
  }
  checkVersions(node);
}

function start(
  who: string,
  heads: readonly Tensor[],
  headGrads: readonly (Tensor | null | undefined)[] | undefined,
): Map<GradState, Tensor[]> {
  if (headGrads !== undefined && (!Array.isArray(headGrads) || headGrads.length !== heads.length)) {
    throw new ArgumentError(
      `${who} takes one head gradient for each of ${heads.length} heads, but got ${shown(headGrads)}`,
    );
  }
  const starts = new Map<GradState, Tensor[]>();
  heads.forEach((head, i) => {
    checkTensor(who, head);
    internals.idOf(head);
    const state = internals.gradState(head);
    if (state === null) {
      throw new AutogradError(
        `${who}: the tensor was not computed from tensors with gradients inside autograd.record(), so there is nothing to go back through`,
      );
    }
    const given = headGrads?.[i];
    if (given !== undefined && given !== null) {
      checkTensor(`${who}: a head gradient`, given);
      internals.idOf(given);
      if (!sameShape(given.shape, head.shape) || given.dtype !== head.dtype) {
        throw new ShapeError(
          `${who}: the head gradient must be ${head.dtype} of shape ${shownShape(head.shape)}, but is ${given.dtype} of shape ${shownShape(given.shape)}`,
        );
      }
    }
    const g = given ?? (ones([...head.shape], { dtype: head.dtype }) as Tensor);
    starts.set(state, [...(starts.get(state) ?? []), g]);
  });
  return starts;
}

declare module '../ops/context.js' {
  interface Context {
    /** Which backward runs, by number: what operations keep between two of their gradients belongs to one. */
    backward: number;
  }
}

context.backward = 0;
let backwards = 0;

function runBack<R>(run: BackwardRun, finish: (flow: Flow) => R): R {
  return within({ backward: ++backwards }, () => goBack(run, finish));
}

function goBack<R>(run: BackwardRun, finish: (flow: Flow) => R): R {
  const { who, heads, headGrads, retainGraph, createGraph, addsUp } = run;
  return (createGraph ? recorded : unrecorded)(() => {
    const starts = start(who, heads, headGrads);
    const order = topological([...starts.keys()]);
    for (const node of order) checkNode(who, node);
    // A change that a user's code makes to a gradient meanwhile must not be lost: then gradients are added to it at the
    // end.
    const isForeign = order.some(node => node.op.isForeign === true);
    const rows = !addsUp ? 'none' : isForeign ? 'copied' : 'held';
    const flow = new Flow(addsUp && !isForeign, createGraph, rows, run.wanted);
    try {
      for (const [state, gradients] of starts) for (const g of gradients) arrive(flow, state, g);
      // A user's code may change what was saved, or use the graph up, while gradients go back.
      carryBack(flow, order, isForeign ? node => checkNode(who, node) : undefined);
      const result = finish(flow);
      if (!retainGraph) for (const node of order) node.saved = null;
      return result;
    } finally {
      flow.close();
    }
  });
}

export interface BackwardOptions {
  /** Keeps what the graph saved, so that it can be gone through again. */
  retainGraph?: boolean | undefined;
}

/**
 * Writes the gradient of Σ heads·headGrads (ones by default) into the variables that the heads were computed from, and
 * frees what the recording had saved. An error leaves every gradient as it was.
 */
export function backward(
  heads: Tensor | readonly Tensor[],
  headGrads?: Tensor | null | readonly (Tensor | null)[],
  options?: BackwardOptions,
): void {
  const { retainGraph = false } = checkOptions('backward', options, ['retainGraph']);
  checkBoolean('backward: retainGraph', retainGraph);
  const run: BackwardRun = {
    who: 'backward',
    heads: listOf(heads),
    headGrads: headGrads === undefined || headGrads === null ? undefined : listOf(headGrads),
    retainGraph,
    createGraph: false,
    addsUp: true,
    wanted: new Set(),
  };
  runBack(run, flow => commit(flow, lossesOf(run)));
}

/** How many losses a backward is of: those that are weighted by a head gradient are for its giver to count. */
function lossesOf({ heads, headGrads }: BackwardRun): number {
  return heads.reduce((most, head, i) => ((headGrads?.[i] ?? null) === null ? Math.max(most, head.size) : most), 1);
}

function listOf<T>(one: T | readonly T[]): readonly T[] {
  // A hole of an array, which forEach() passes over, is an element that is undefined.
  return Array.isArray(one) ? [...(one as readonly T[])] : [one as T];
}

export interface GradOptions extends BackwardOptions {
  /** The gradients of the heads; ones by default. */
  headGrads?: Tensor | null | readonly (Tensor | null)[] | undefined;
  /**
   * Records how the gradients are computed, so that they have gradients themselves: for derivatives of higher order and
   * penalties on gradients. Keeps the graph that is gone through, unless `retainGraph` is false.
   */
  createGraph?: boolean | undefined;
}

/**
 * The gradients of Σ heads·headGrads with respect to the variables, returned and written nowhere; zeros where none flows.
 */
export function grad(heads: Tensor | readonly Tensor[], variables: Tensor, options?: GradOptions): Tensor;
export function grad(heads: Tensor | readonly Tensor[], variables: readonly Tensor[], options?: GradOptions): Tensor[];
export function grad(
  heads: Tensor | readonly Tensor[],
  variables: Tensor | readonly Tensor[],
  options?: GradOptions,
): Tensor | Tensor[] {
  const given = checkOptions('autograd.grad', options, ['retainGraph', 'headGrads', 'createGraph']);
  const { headGrads, createGraph = false } = given;
  const { retainGraph = createGraph } = given;
  checkBoolean('autograd.grad: createGraph', createGraph);
  checkBoolean('autograd.grad: retainGraph', retainGraph);
  const list = listOf(variables);
  const states = list.map(variable => {
    const state = internals.gradState(checkTensor('autograd.grad', variable));
    if (state === null)
      throw new AutogradError('autograd.grad: a variable has no gradient; call attachGrad() on it before recording');
    return state;
  });
  const run: BackwardRun = {
    who: 'autograd.grad',
    heads: listOf(heads),
    headGrads: headGrads === undefined || headGrads === null ? undefined : listOf(headGrads),
    retainGraph,
    createGraph,
    addsUp: false,
    wanted: new Set(states),
  };
  const results = runBack(run, flow =>
    states.map((state, i) => {
      const g = flow.grads.get(state);
      if (g === undefined) return zerosLike(list[i] as Tensor) as Tensor;
      return createGraph ? g : convert(g, g.dtype);
    }),
  );
  return Array.isArray(variables) ? results : (results[0] as Tensor);
}
