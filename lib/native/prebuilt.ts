/** The platforms that the package has an addon for. */
export const platforms = [
  'linux-x64-glibc',
  'linux-x64-musl',
  'linux-arm64-glibc',
  'linux-arm64-musl',
  'darwin-x64',
  'darwin-arm64',
  'win32-x64',
  'win32-arm64',
] as const;

/**
 * Loads the prebuilt addon of a platform. Every path is a literal, for bundlers and tracers follow those and carry the files.
 * They stand within `try`, where a bundler lets a file be missing: one may have been left out on purpose.
 */
export function loadPrebuilt(platform: string): { addon: unknown } | { error: unknown } | undefined {
  try {
    switch (platform as (typeof platforms)[number]) {
      case 'linux-x64-glibc':
        return { addon: require('../../prebuilds/linux-x64/latent.glibc.node') };
      case 'linux-x64-musl':
        return { addon: require('../../prebuilds/linux-x64/latent.musl.node') };
      case 'linux-arm64-glibc':
        return { addon: require('../../prebuilds/linux-arm64/latent.glibc.node') };
      case 'linux-arm64-musl':
        return { addon: require('../../prebuilds/linux-arm64/latent.musl.node') };
      case 'darwin-x64':
        return { addon: require('../../prebuilds/darwin-x64/latent.node') };
      case 'darwin-arm64':
        return { addon: require('../../prebuilds/darwin-arm64/latent.node') };
      case 'win32-x64':
        return { addon: require('../../prebuilds/win32-x64/latent.node') };
      case 'win32-arm64':
        return { addon: require('../../prebuilds/win32-arm64/latent.node') };
      default:
        return undefined;
    }
  } catch (error) {
    return { error };
  }
}
