import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, runScript, runWell } from '../support/child.js';
import { inFolder, inFolderAsync } from '../support/nn-helpers.js';
import { full, makeRandom } from '../support/random.js';

const library = JSON.stringify(join(root, 'dist', 'index.js'));

const random = makeRandom(7);

/** Two sets of parameters of one net, large enough that a save takes many calls' time. */
const nets = `
  const makeNet = value => {
    const net = new latent.nn.Dense(256, { inUnits: 512, weightInitializer: new latent.init.Constant(value) });
    net.initialize();
    return net;
  };
  const [one, two] = [makeNet(1), makeNet(2)];
`;

/** Starts a process that saves in turn, kills it a while after its first save, and answers when it is gone. */
function killed(path: string, delay: number): Promise<string | null> {
  const script = `const latent = require(${library}); ${nets}
    one.saveParameters(process.argv[1]);
    process.stdout.write('saved');
    for (;;) for (const net of [two, one]) net.saveParameters(process.argv[1]);`;
  const child = spawn(process.execPath, ['-e', script, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  child.stdout.once('data', () => setTimeout(() => child.kill('SIGKILL'), delay));
  return new Promise(resolve => child.once('exit', (_, signal) => resolve(signal)));
}

describe('a process that is killed amid a save', () => {
  const moments = full ? 1000 : 3;

  test(`leaves one of both files, whole, at ${moments} moments or more; and the next save nothing else`, async () => {
    await inFolderAsync(async folder => {
      const path = join(folder, 'net');
      const last = `${nets} const fs = require('node:fs'); const path = process.argv[1];
        two.saveParameters(path); const second = fs.readFileSync(path, 'base64');
        one.saveParameters(path); console.log(JSON.stringify([fs.readFileSync(path, 'base64'), second]));`;
      const wanted = JSON.parse(runWell(last, { argv: [path] })) as string[];
      expect(wanted[0]).not.toBe(wanted[1]);
      let leftovers = 0;
      // Until one was killed amid a save.
      for (let i = 0; i < moments || (leftovers === 0 && i < 100); i++) {
        expect(await killed(path, random.int(0, 30))).toBe('SIGKILL');
        expect(wanted.includes(readFileSync(path, 'base64'))).toBe(true);
        // The one that the process was at, for each save of it has removed what the one before it left.
        const others = readdirSync(folder).filter(name => name !== 'net');
        expect(others.length).toBeLessThanOrEqual(1);
        leftovers += others.length;
      }
      expect(leftovers).toBeGreaterThan(0);
      runWell(last, { argv: [path] });
      expect(readdirSync(folder)).toEqual(['net']);
    });
  }, 1_800_000);

  test('has its leftovers removed, and no other files', () => {
    inFolder(folder => {
      const path = join(folder, 'net');
      const script = `${nets} const fs = require('node:fs'); const { join } = require('node:path');
        const [path, other, dead] = process.argv.slice(1);
        // What a save that fails at its rename leaves where it cannot remove it, is what a killed one leaves.
        const { renameSync, unlinkSync } = fs;
        const leave = (to, pid) => {
          fs.renameSync = fs.unlinkSync = () => { throw Object.assign(new Error('EIO'), { code: 'EIO', syscall: 'rename' }); };
          try { one.saveParameters(to); } catch {}
          Object.assign(fs, { renameSync, unlinkSync });
          const folder = require('node:path').dirname(to);
          const name = fs.readdirSync(folder).find(one => one.includes('-' + process.pid + '-'));
          renameSync(join(folder, name), join(folder, name.replace('-' + process.pid + '-', '-' + pid + '-')));
        };
        leave(path, dead);
        leave(path, process.ppid);
        leave(other, dead);
        two.saveParameters(path);`;
      const dead = spawnDead();
      const foreign = `.net.00000000-${dead}-0123456789ab.tmp`;
      for (const name of [foreign, '.net.tmp', `.net.${dead}.tmp`, '.net.notes'])
        writeFileSync(join(folder, name), 'x');
      runWell(script, { argv: [path, join(folder, 'other'), String(dead)] });
      const found = readdirSync(folder).map(name => name.replaceAll(/[0-9a-f]{8}-(\d+)-[0-9a-f]{12}/g, '$1'));
      expect(found.sort()).toEqual(
        [
          `.net.${dead}.tmp`,
          `.net.${dead}.tmp`,
          `.net.${process.pid}.tmp`,
          '.net.notes',
          '.net.tmp',
          `.other.${dead}.tmp`,
          'net',
        ].sort(),
      );
    });
  });
});

/** The id of a process that has ended. */
function spawnDead(): number {
  return Number(runWell('console.log(process.pid);'));
}

describe('a thread that ends amid a save', () => {
  const script = (work: string, ending: string, rounds: number) => `
    const fs = require('node:fs');
    const { Worker } = require('node:worker_threads');
    const [path, folder] = process.argv.slice(1);
    const body = ${JSON.stringify(`
      const latent = require(${library});
      ${nets}
      const { parentPort, workerData: path } = require('node:worker_threads');
      parentPort.postMessage('ready');
      ${work}
    `)};
    const open = () => fs.readdirSync('/proc/self/fd').flatMap(fd => {
      try { const to = fs.readlinkSync('/proc/self/fd/' + fd); return to.startsWith(folder) ? [to] : []; } catch { return []; }
    });
    (async () => {
      for (let i = 0; i < ${rounds}; i++) {
        const worker = new Worker(body, { eval: true, workerData: path, stderr: true });
        worker.on('error', () => undefined);
        const ended = new Promise(resolve => worker.once('exit', resolve));
        await new Promise(resolve => worker.once('message', resolve));
        await new Promise(resolve => setTimeout(resolve, (i * 7) % 23));
        ${ending}
        await ended;
        if (fs.existsSync('/proc/self/fd') && open().length > 0) throw new Error('open: ' + open());
        const others = fs.readdirSync(folder).filter(name => name !== 'file');
        if (others.length > 0) throw new Error('left: ' + others);
      }
      console.log('well');
    })();`;
  const exporting = `(async () => { for (;;) await one.export(path, { inputShape: [1, 512] }); })();`;
  const saving = 'for (;;) one.saveParameters(path);';
  const rounds = full ? 60 : 2;

  const endings = [
    ['terminated amid an export', exporting, 'await worker.terminate();'],
    ['terminated amid a save', saving, 'await worker.terminate();'],
    ['ended by an error amid an export', `${exporting} setTimeout(() => { throw new Error('ends'); }, 5);`, ''],
    ['ended by process.exit amid an export', `${exporting} setTimeout(() => process.exit(), 5);`, ''],
  ] as const;
  test.each(full ? endings : [random.pick(endings.slice(0, 2)), random.pick(endings.slice(2))])(
    '%s leaves no descriptor and no temporary file',
    (_, work, ending) => {
      inFolder(folder => {
        expect(runWell(script(work, ending, rounds), { argv: [join(folder, 'file'), folder] })).toBe('well');
      });
    },
    600_000,
  );

  const ends = ['process.exit(0)', "throw new Error('ends')"];
  test.each(full ? ends : [random.pick(ends)])('the main thread, by %s, neither', how => {
    inFolder(folder => {
      const { signal } = runScript(
        `${nets} setTimeout(() => { ${how}; }, 15);
        (async () => { for (;;) await one.export(process.argv[1], { inputShape: [1, 512] }); })();`,
        { argv: [join(folder, 'file')] },
      );
      expect(signal).toBe(null);
      expect(readdirSync(folder).filter(name => name !== 'file')).toEqual([]);
    });
  });
});
