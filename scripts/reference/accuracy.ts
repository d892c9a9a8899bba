/** The rows of `X(Exp, exp, 1.0, 1.3, 1.0, 1.3, …)`, and the pair of `kPowInFloat{0.6, 1.0}`. */
const CURVE = /X\(\w+, (\w+), ([\d.]+), ([\d.]+), ([\d.]+), ([\d.]+), /g;
const TABLE = /(\| function \| float32 .*\n\|[-|]+\|\n)(?:\|.*\n)+/;

const labels: Readonly<Record<string, string>> = { geluTanh: "`gelu`, `approximate: 'tanh'`" };

/** The page of accuracies with the bounds that the tests of the kernels hold, as native/test/curves.h has them. */
export function renderAccuracy(curves: string, page: string): string {
  const rows = [...curves.matchAll(CURVE)].map(([, name, ...bounds]) => [
    labels[name as string] ?? `\`${name}\``,
    ...bounds,
  ]);
  const [, plainPow] = /#else\ninline constexpr double kPlainPow = ([\d.]+);/.exec(curves) ?? [];
  const [, fused, plain, fusedDouble] =
    /kPowInFloat\{([\d.]+), ([\d.]+)\}, kPowInDouble\{([\d.]+), kPlainPow\}/.exec(curves) ?? [];
  if (rows.length === 0 || plainPow === undefined || fused === undefined || !TABLE.test(page))
    throw new Error('native/test/curves.h or docs/accuracy.md has not the form that is read here');
  rows.push(['`pow`', fused, plain as string, fusedDouble as string, plainPow]);
  return page.replace(TABLE, (_, head: string) => `${head}${rows.map(row => `| ${row.join(' | ')} |\n`).join('')}`);
}
