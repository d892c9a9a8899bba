import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { platform } from '../../lib/native/platform.js';
import { root } from './child.js';

/** What the package is packed from. */
const sources = [
  'package.json',
  'LICENSE',
  'README.md',
  'FEATURES.md',
  'docs',
  'dist',
  'native',
  'lib',
  'scripts',
  'binding.gyp',
  'CMakeLists.txt',
  'prebuilds',
  'THIRD-PARTY-NOTICES.md',
  'CHANGELOG.md',
  'SECURITY.md',
  'bench',
  'examples',
];

/** Where the package has the addon of this platform. */
export function addonPath(): string {
  const [system, arch, libc] = platform().split('-');
  return join('prebuilds', `${system}-${arch}`, libc === undefined ? 'latent.node' : `latent.${libc}.node`);
}

/** Runs a program in a folder and answers what it prints; what it says on the standard error is in the error it raises. */
export function run(command: string, args: readonly string[], cwd: string, env: NodeJS.ProcessEnv = {}): string {
  return execFileSync(command, args, {
    cwd,
    encoding: 'utf8',
    // A bundler's watch or a framework's telemetry must not reach outside.
    env: {
      ...process.env,
      npm_config_nodedir: undefined,
      npm_config_update_notifier: 'false',
      NEXT_TELEMETRY_DISABLED: '1',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** The sources in a folder of their own, with the prebuilt addons that are there. */
export function stagePrebuilt(stage: string): void {
  for (const entry of sources)
    if (existsSync(join(root, entry)))
      cpSync(join(root, entry), join(stage, entry), {
        recursive: true,
        filter: path => !path.includes('node_modules'),
      });
}

/** The same with the addon that was just built for this platform, whose prebuilt one may be older or missing. */
export function stagePackage(stage: string): void {
  stagePrebuilt(stage);
  const addon = join(stage, addonPath());
  mkdirSync(join(addon, '..'), { recursive: true });
  cpSync(join(root, 'build', 'Release', 'latent.node'), addon);
}

/** Packs what was staged, as npm publishes it, and answers the tarball's path. */
export function packStage(stage: string, folder: string): string {
  run('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], stage);
  return join(folder, readdirSync(folder).find(name => name.endsWith('.tgz')) as string);
}

/** A project in an empty folder, with packages in it. */
export function makeProject(project: string, packages: readonly string[], manifest: object = {}): void {
  mkdirSync(project, { recursive: true });
  writeFileSync(
    join(project, 'package.json'),
    JSON.stringify({ name: 'project', version: '1.0.0', private: true, ...manifest }),
  );
  run('npm', ['install', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', ...packages], project);
}
