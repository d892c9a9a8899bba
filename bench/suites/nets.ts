/** The nets that are measured, as their sizes from the inputs to the outputs; relu between the layers. */
export const nets: readonly (readonly number[])[] = [
  [20, 256, 10],
  [784, 256, 10],
  [784, 512, 512, 10],
  [1024, 1024],
  [768, 3072, 768],
];

/** Nets that end in ten outputs are taken for classifiers. */
export const CLASSES = 10;

export function nameOf(sizes: readonly number[]): string {
  return sizes.join('-');
}

/** Floating-point operations of a forward over a batch; a multiply-add is two. */
export function forwardFlops(sizes: readonly number[], batch: number): number {
  return sizes.slice(1).reduce((sum, outputs, i) => sum + 2 * batch * outputs * (sizes[i] as number), 0);
}

/** The same of a training step: forward, the weights' gradients, and the inputs' of all layers but the first. */
export function trainFlops(sizes: readonly number[], batch: number): number {
  return 3 * forwardFlops(sizes, batch) - forwardFlops(sizes.slice(0, 2), batch);
}
