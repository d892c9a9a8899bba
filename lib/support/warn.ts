const warned = new Set<string>();

/** One process warning for each cause: `key` tells causes of one code apart. */
export function warnOnce(code: `LATENT_${string}`, key: string, message: string): void {
  const cause = `${code} ${key}`;
  if (warned.has(cause)) return;
  warned.add(cause);
  warn(code, message);
}

/** A process warning under a stable code, to be silenced with `node --disable-warning=CODE`. */
export function warn(code: `LATENT_${string}`, message: string): void {
  process.emitWarning(message, { type: 'LatentWarning', code });
}
