/** Other Debians beside this one, each a folder that programs are run in by chroot, which takes a superuser on Linux. */
const { execFileSync, spawnSync } = require('node:child_process');
const { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } = require('node:fs');
const { homedir } = require('node:os');
const { join } = require('node:path');

/** What is installed for other systems, once; not in the checkout, whose tools would walk through whole systems. */
const home = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'latent-systems');

/** What this machine lacks for running programs in another Debian; undefined where it lacks nothing. */
function missingForDebian() {
  if (process.platform !== 'linux' || process.getuid() !== 0) return 'It takes Linux and its superuser.';
  const lacking = ['debootstrap', 'unshare'].filter(
    tool => spawnSync(tool, ['--version'], { stdio: 'ignore' }).error !== undefined,
  );
  return lacking.length === 0 ? undefined : `It takes ${lacking.join(' and ')}.`;
}

/** Where this machine gets its own packages, so that the others come from there too; none where it is another system. */
function mirror() {
  const folder = '/etc/apt/sources.list.d';
  const files = [
    '/etc/apt/sources.list',
    ...(existsSync(folder) ? readdirSync(folder).map(name => join(folder, name)) : []),
  ];
  const text = files
    .filter(existsSync)
    .map(file => readFileSync(file, 'utf8'))
    .join('\n');
  const found = /\bhttps?:\S+\/debian\/?(?=\s)/.exec(text);
  return found === null ? [] : [found[0]];
}

/** The folder of a Debian of this suite, with some of its packages, installed under `name` unless it is. */
function installDebian(name, suite, packages = []) {
  const folder = join(home, name);
  if (!existsSync(join(folder, 'latent', 'ready'))) {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(home, { recursive: true });
    const include = packages.length === 0 ? [] : [`--include=${packages.join(',')}`];
    execFileSync('debootstrap', ['--variant=minbase', ...include, suite, folder, ...mirror()], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    mkdirSync(join(folder, 'latent', 'ready'), { recursive: true });
  }
  return folder;
}

/** Copies a file or folder of this machine's into a Debian, where it is found under /latent. */
function put(debian, from, name) {
  const to = join(debian, 'latent', name);
  rmSync(to, { recursive: true, force: true });
  cpSync(from, to, { recursive: true });
  return join('/latent', name);
}

/** The words that run a command in a Debian, with these variables and no others than the usual ones. */
function inDebian(debian, variables, command) {
  const given = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
  const enter = 'mount -t proc proc "$0/proc" && cd "$0" && exec chroot "$0" "$@"';
  const usual = ['PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'HOME=/latent'];
  return ['unshare', '--mount', 'sh', '-c', enter, debian, 'env', '-i', ...usual, ...given, ...command];
}

module.exports = { home, missingForDebian, installDebian, put, inDebian };
