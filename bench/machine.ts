import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { join } from 'node:path';

/** What a result was measured on. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  /** Bytes of each cache that one core reaches, by level: L1, L2, L3. */
  readonly caches: Readonly<Record<string, number>>;
  readonly memory: number;
  /** Whether the system gives huge pages: always, madvise (to who asks) or never; unknown where it doesn't tell. */
  readonly hugePages: string;
  readonly platform: string;
  readonly node: string;
}

function read(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8').trim() : '';
}

function cacheSizes(): Record<string, number> {
  const folder = '/sys/devices/system/cpu/cpu0/cache';
  const sizes: Record<string, number> = {};
  if (!existsSync(folder)) return sizes;
  for (const index of readdirSync(folder).filter(name => name.startsWith('index'))) {
    const of = (name: string) => read(join(folder, index, name));
    const size = /^(\d+)([KM])$/.exec(of('size'));
    if (of('type') === 'Instruction' || size === null) continue;
    sizes[`L${of('level')}`] = Number(size[1]) * (size[2] === 'M' ? 1 << 20 : 1 << 10);
  }
  return sizes;
}

export function readMachine(): Machine {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    caches: cacheSizes(),
    memory: totalmem(),
    hugePages: /\[(\w+)\]/.exec(read('/sys/kernel/mm/transparent_hugepage/enabled'))?.[1] ?? 'unknown',
    platform: `${process.platform} ${process.arch}`,
    node: process.version,
  };
}

export function hasAvx512(): boolean {
  return /\bavx512f\b/.test(read('/proc/cpuinfo'));
}

function short(bytes: number): string {
  return bytes >= 1 << 20 ? `${Number((bytes / (1 << 20)).toFixed(2))} MB` : `${Math.round(bytes / 1024)} KB`;
}

export function describeMachine({ cpu, cores, caches, hugePages, node, platform }: Machine): string {
  const sizes = Object.entries(caches).map(([level, bytes]) => `${level} ${short(bytes)}`);
  return [cpu, `${cores} cores`, ...sizes, `huge pages: ${hugePages}`, platform, `Node ${node}`].join(', ');
}
