import { ArgumentError } from '../errors.js';
import { ints, Place } from '../native/register.js';
import { context } from '../ops/context.js';
import { builtin } from '../support/builtin.js';
import { checkInteger, shown } from '../support/check.js';

/** A stream's number within its seed: 64 bits as two words. */
export type StreamId = readonly [low: number, high: number];

const programStream: StreamId = [0, 0];

interface Generators {
  /** A generator of its own stream. */
  withStream(seed: number, stream: StreamId): Generator;
  position(g: Generator): number;
  setPosition(g: Generator, position: number): void;
  /** Takes the generator back to where it is now. */
  snapshot(g: Generator): () => void;
  reseed(g: Generator, seed: number): void;
  /** Writes the generator's place into the register and moves it on by `blocks` blocks of four words. */
  take(g: Generator, blocks: number): void;
  /** The same, into `words` from `at` on. */
  takeInto(g: Generator, blocks: number, words: Int32Array, at: number): void;
}

export let generators: Generators;

/**
 * A stream of random numbers: Philox4x32-10, in which every number is a function of (seed, stream, position). Drawing n
 * numbers moves the position; equal positions give equal numbers on any number of threads.
 */
export class Generator {
  #seed: number;
  #stream: StreamId;
  #position = 0;

  constructor(seed: number) {
    this.#seed = checkInteger('Generator: seed', seed, 0);
    this.#stream = programStream;
  }

  get seed(): number {
    return this.#seed;
  }

  static {
    generators = {
      withStream: (seed, stream) => {
        const generator = new Generator(seed);
        generator.#stream = stream;
        return generator;
      },
      position: g => g.#position,
      setPosition: (g, position) => {
        g.#position = position;
      },
      snapshot: g => {
        const seed = g.#seed;
        const position = g.#position;
        return () => {
          g.#seed = seed;
          g.#position = position;
        };
      },
      reseed: (g, seed) => {
        context.moves?.(g);
        g.#seed = seed;
        g.#position = 0;
      },
      take: (g, blocks) => {
        generators.takeInto(g, blocks, ints, Place.ints);
      },
      takeInto: (g, blocks, words, at) => {
        context.moves?.(g);
        writeWords(words, at, g.#seed);
        words[at + 2] = g.#stream[0];
        words[at + 3] = g.#stream[1];
        writeWords(words, at + 4, g.#position);
        g.#position += blocks;
      },
    };
  }
}

function writeWords(words: Int32Array, at: number, value: number): void {
  words[at] = (value % 2 ** 32) | 0;
  words[at + 1] = Math.floor(value / 2 ** 32) | 0;
}

/** 64 bits of a text, for streams that are named rather than counted (MurmurHash3's mixing over two lanes). */
export function hashStream(text: string): StreamId {
  let a = 0xdeadbeef;
  let b = 0x41c6ce57;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    a = Math.imul(a ^ code, 0x9e3779b1);
    b = Math.imul(b ^ code, 0x5f356495);
  }
  a = Math.imul(a ^ (a >>> 16), 0x85ebca6b) ^ Math.imul(b ^ (b >>> 13), 0xc2b2ae35);
  b = Math.imul(b ^ (b >>> 16), 0x85ebca6b) ^ Math.imul(a ^ (a >>> 13), 0xc2b2ae35);
  // The top bit keeps named streams apart from the program's own.
  return [a | 0, b | 0x80000000 | 0];
}

declare module '../ops/context.js' {
  interface Context {
    /** The generator of random functions when none is given; null for the program's. */
    generator: Generator | null;
  }
}

context.generator = null;
let program: Generator | null = null;

/** The program's generator. Workers that nobody seeded draw other numbers than the main thread, whose seed is 0. */
export function programGenerator(): Generator {
  program ??= new Generator(builtin.workerThreads().threadId);
  return program;
}

/** The generator of random functions when none is given: the program's, or an initializer's own stream. */
export function defaultGenerator(): Generator {
  return context.generator ?? programGenerator();
}

export function checkGenerator(who: string, value: unknown): Generator {
  if (value === undefined) return defaultGenerator();
  if (!(value instanceof Generator))
    throw new ArgumentError(`${who} takes a random.Generator, but got ${shown(value)}`);
  return value;
}
