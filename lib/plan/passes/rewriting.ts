import type { AnyOp, Operand } from '../../ops/op.js';
import type { Tensor } from '../../tensor/tensor.js';
import { Trace, type TracedNode } from '../../trace/trace.js';

/** Nodes that are made of operations, on the tensors of another trace. */
export class Rewriting extends Trace {
  /** Whose operations they are, for messages. */
  by: unknown = null;

  constructor() {
    super(() => this.by);
  }
  protected override checkOwn(): void {}

  apply(op: AnyOp, inputs: readonly Operand[], attrs: unknown, output: Tensor): void {
    this.nodes.push({ kind: 'apply', op, attrs, inputs, output, work: [], owner: this.by });
  }

  keep(node: TracedNode): void {
    this.nodes.push(node);
  }
}
