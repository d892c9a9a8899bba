import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { LatentError } from '../errors.js';
import { isCutShort, machineOf } from './elf.js';
import { platform } from './platform.js';
import { loadPrebuilt, platforms } from './prebuilt.js';

export const ADDON_ERROR = 'ERR_LATENT_ADDON';
const HELP = 'docs/deploying.md of the package tells what each host and bundler needs.';

/** Whether this is the package's own manifest. One that cannot be read belongs to somebody else. */
function isOwn(manifest: string): boolean {
  try {
    return (JSON.parse(readFileSync(manifest, 'utf8')) as { name?: string } | null)?.name === 'latent';
  } catch {
    return false;
  }
}

/** The package's folder above this file; undefined where a bundler has taken the file out of it, or into a module. */
function packageFolder(): string | undefined {
  if (typeof __dirname === 'undefined') return undefined;
  for (let folder = __dirname; ; folder = dirname(folder)) {
    const manifest = join(folder, 'package.json');
    if (existsSync(manifest)) return isOwn(manifest) ? folder : undefined;
    if (dirname(folder) === folder) return undefined;
  }
}

function toBuild(folder: string | undefined): string {
  const where = folder === undefined ? 'node_modules/latent' : JSON.stringify(folder);
  return (
    'To build it from source (GCC or clang and CMake 3.18 are needed), run: ' +
    `npx --yes cmake-js@8 compile --target latent --directory ${where}`
  );
}

/** The most frequent cause of an error of the system's loader. */
function likelyCause(words: string): string {
  if (/GLIBC_|GLIBCXX_/.test(words)) return 'This system has an older C library than the file needs.';
  if (/ld-(linux|musl)|libc\.(so|musl)/.test(words)) return 'The file is for another C library (glibc or musl).';
  if (
    /invalid ELF header|file too short|not a valid Win32|not a mach-o|no suitable image|slice is not valid/i.test(words)
  )
    return 'The file is damaged, or is for another system: install the package again.';
  if (/incompatible architecture|wrong ELF class|for another architecture/i.test(words))
    return 'The file is for another architecture than this Node: install the package again.';
  if (/failed to map segment|Operation not permitted/i.test(words))
    return 'The folder is mounted without the right to execute (noexec): move node_modules, or mount it with exec.';
  if (/\.asar/.test(words))
    return 'Electron cannot load addons from inside an archive: unpack it (asarUnpack: "**/*.node").';
  return '';
}

function isMissing(error: unknown): boolean {
  const { code, message = '' } = error as { code?: string; message?: string };
  return code === 'MODULE_NOT_FOUND' && message.includes('.node');
}

/** The prebuilt file of a platform, by prebuildify's names. */
function prebuiltFile(folder: string, name: string): string {
  const [system, arch, libc] = name.split('-');
  return join(folder, 'prebuilds', `${system}-${arch}`, libc === undefined ? 'latent.node' : `latent.${libc}.node`);
}

/**
 * An error for a file whose loading would kill the process or fail with a misleading message; undefined if there is none.
 */
function faultOf(file: string): Error | undefined {
  try {
    if (isCutShort(file)) return new Error(`${file}: file too short`);
    const [machine, own] = [machineOf(file), machineOf(process.execPath)];
    if (machine !== undefined && own !== undefined && machine !== own)
      return new Error(`${file}: for another architecture`);
  } catch {
    // The system's loader reports a file that cannot be read.
  }
  return undefined;
}

/** The addon that was built from source in the package's folder, or else the prebuilt one. */
function find(folder: string | undefined, name: string): ReturnType<typeof loadPrebuilt> {
  if (folder === undefined) return loadPrebuilt(name);
  const built = join(folder, 'build', 'Release', 'latent.node');
  const isBuilt = existsSync(built);
  const file = isBuilt ? built : prebuiltFile(folder, name);
  const fault = faultOf(file);
  if (fault !== undefined) return { error: fault };
  if (!isBuilt) return loadPrebuilt(name);
  try {
    // Not a literal: bundlers stop at a file that isn't there.
    return { addon: require(built) };
  } catch (error) {
    return { error };
  }
}

/**
 * The addon of this platform. Raises an error of code ERR_LATENT_ADDON that tells the cause in the system loader's own
 * words.
 */
export function loadAddon(): unknown {
  const name = platform();
  const folder = packageFolder();
  const found = find(folder, name);
  if (found !== undefined && 'addon' in found) return found.addon;
  const who = `latent (Node ${process.versions.node}, ${name})`;
  if (found === undefined) {
    throw new LatentError(
      ADDON_ERROR,
      `${who} has no prebuilt addon for this platform; there are ${platforms.join(', ')}. ${toBuild(folder)}`,
    );
  }
  const { error: cause } = found;
  const words = cause instanceof Error ? cause.message.trim() : String(cause);
  const what = isMissing(cause)
    ? 'lacks its prebuilt addon. Was the package bundled or copied without its .node files?'
    : `has an addon that could not be loaded: ${words}. ${likelyCause(words)}`.trimEnd();
  throw new LatentError(ADDON_ERROR, `${who} ${what} ${HELP} ${toBuild(folder)}`, { cause });
}
