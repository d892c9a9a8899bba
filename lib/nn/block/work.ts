import type { AnyOp } from '../../ops/op.js';
import type { Tensor } from '../../tensor/tensor.js';
import { Trace, type TracedNode } from '../../trace/trace.js';
import type { BlockBase } from './block.js';
import { evaluateShapes, type Input, runningBlock } from './run.js';

/** One call of a block in a forward that was evaluated on shapes. */
export interface Call {
  readonly block: BlockBase;
  /** Its result, as abstract tensors. */
  readonly output: unknown;
  /** Its own operations, without those of its children, in order. */
  readonly nodes: readonly TracedNode[];
  /** How much the whole net had done when the call ended. */
  readonly end: number;
}

/** A forward as calls of blocks and as what they do. */
export interface Forward {
  /** In the order in which they end: the net's own comes last. */
  readonly calls: readonly Call[];
  readonly nodes: readonly TracedNode[];
  /** Whether a tensor stands for a parameter or a constant. */
  isHeld(t: Tensor): boolean;
}

/** A call that goes on. */
interface OpenCall {
  readonly nodes: TracedNode[];
}

/**
 * Evaluates a net on shapes alone and tells what each of its blocks did; touches no parameter. `look` sees each call while
 * deferred parameters have the sizes that these inputs give.
 */
export function callsOf(block: BlockBase, what: string, inputs: readonly Input[], look: (call: Call) => void): Forward {
  // A block's call begins with the first thing that it does itself, and ends when it answers.
  const open = new Map<BlockBase, OpenCall>();
  const calls: Call[] = [];
  const trace = new Trace(runningBlock, true);
  let seen = 0;
  const assign = (): void => {
    for (; seen < trace.nodes.length; seen++) {
      const node = trace.nodes[seen] as TracedNode;
      const owner = node.owner as BlockBase;
      const call = open.get(owner) ?? { nodes: [] };
      call.nodes.push(node);
      open.set(owner, call);
    }
  };
  evaluateShapes(block, what, inputs, {
    pass: trace,
    visit: (called, output) => {
      assign();
      const call: Call = { block: called, output, nodes: open.get(called)?.nodes ?? [], end: seen };
      calls.push(call);
      look(call);
      open.delete(called);
    },
  });
  return { calls, nodes: trace.nodes, isHeld: t => trace.held.has(t) };
}

/** The multiply-adds of what a call did itself. */
export function multiplyAddsOf(nodes: readonly TracedNode[]): number {
  let count = 0;
  for (const node of nodes) {
    if (node.kind !== 'apply') continue;
    const { op, inputs, output } = node as { op: AnyOp } & typeof node;
    count += op.multiplyAdds?.(inputs, { shape: output.shape, dtype: output.dtype }) ?? 0;
  }
  return count;
}
