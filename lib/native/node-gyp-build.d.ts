declare module 'node-gyp-build' {
  /** Loads build/Release/*.node, or the prebuilt addon for this platform, of the package at a path. */
  export default function load(root: string): unknown;
}
