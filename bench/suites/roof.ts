/** The limit that the machine sets to a case. `work` is what one iteration of the case needs of it. */
export type Roof = (
  | /** Fused multiply-adds; work in flops. float64 has half the lanes of float32. */
  {
      readonly kind: 'fma';
      readonly work: number;
      readonly dtype?: 'float32' | 'float64';
    } /** Moving data; work in bytes, all of it within `bytes`. */
  | { readonly kind: 'read' | 'copy' | 'triad'; readonly work: number; readonly bytes: number }
) & {
  /** Where it isn't the run's number. */
  readonly threads?: number;
};

/** The share of a roof that a case reached, from its seconds per iteration and what the roof gave per second. */
export function shareOf(roof: Roof, seconds: number, perSecond: number): number {
  const limit = roof.kind === 'fma' && roof.dtype === 'float64' ? perSecond / 2 : perSecond;
  return roof.work / seconds / limit;
}
