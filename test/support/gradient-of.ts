import { autograd, concat, type Tensor } from '../../lib/index.js';

/**
 * The gradients of f as one tensor, a function of the inputs and, after them, of what the result is weighted by: what has
 * second derivatives to check.
 */
export function gradientOf(f: (...inputs: Tensor[]) => Tensor): (...args: Tensor[]) => Tensor {
  return (...args) => {
    const head = args.at(-1)!;
    const points = args.slice(0, -1).map(x => (autograd.isRecording() ? x : (x.detach().attachGrad() as Tensor)));
    const y = autograd.record(() => f(...points));
    const gradients = autograd.grad(y, points, { headGrads: head, createGraph: true });
    // A gradient that is constant is a function of the head all the same.
    const flat = gradients.map(g => g.cast('float64').flatten().add(head.sum().mul(0)) as Tensor);
    return concat(flat) as Tensor;
  };
}
