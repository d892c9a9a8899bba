/** A process warning under a stable code, to be silenced with `node --disable-warning=CODE`. */
export function warn(code: `LATENT_${string}`, message: string): void {
  process.emitWarning(message, { type: 'LatentWarning', code });
}
