/** Bounds on a JSON text from outside. */
export interface JsonBounds {
  /** How deep objects and lists may lie in one another. */
  readonly depth: number;
  /** Bytes of JavaScript heap that its objects, keys and list entries may take, beside its strings. */
  readonly heap: number;
}

// The memory that V8 takes, measured: for an object or a list, for a key with its place, and for a list's entry.
const CONTAINER_BYTES = 100;
const KEY_BYTES = 115;
const ENTRY_BYTES = 40;

/** A longer key is nobody's name. */
const MOST_KEY_BYTES = 65_536;

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const LIST = 0x5b;
const BACKSLASH = 0x5c;
const LIST_END = 0x5d;
const OBJECT = 0x7b;
const OBJECT_END = 0x7d;

/** The place of the quote that ends a string, or the end of the bytes. */
function endOfString(bytes: Uint8Array, start: number): number {
  for (let at = start + 1; at < bytes.length; at++) {
    if (bytes[at] === BACKSLASH) at++;
    else if (bytes[at] === QUOTE) return at;
  }
  return bytes.length;
}

/** A key as JSON.parse has it: two of other spellings may be one. */
function keyOf(bytes: Buffer, start: number, end: number): string {
  const text = bytes.toString('utf8', start, end);
  if (!text.includes('\\')) return text;
  try {
    return JSON.stringify(JSON.parse(text));
  } catch {
    return text; // no JSON, as the parser will say
  }
}

/**
 * Why bytes of JSON must not be parsed, or null: walks over them, making no more than their keys. Parsed first, objects
 * within objects would take many times the bytes and end the process. A key that an object has twice is one reason:
 * JSON.parse silently keeps the last, which lets two readers see two different texts. Bytes that are no JSON may pass.
 */
export function scanJson(bytes: Uint8Array, { depth, heap }: JsonBounds): string | null {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const open: (Set<string> | null)[] = [];
  let taken = 0;
  let start = 0;
  let end = 0;
  for (let at = 0; at < bytes.length; at++) {
    switch (bytes[at]) {
      case QUOTE:
        start = at;
        at = endOfString(bytes, at);
        end = at + 1;
        break;
      case OBJECT:
      case LIST:
        if (open.length === depth) return `objects and lists lie deeper than ${depth} in one another`;
        open.push(bytes[at] === OBJECT ? new Set() : null);
        taken += CONTAINER_BYTES;
        break;
      case OBJECT_END:
      case LIST_END:
        open.pop();
        break;
      case COLON: {
        taken += KEY_BYTES;
        if (end - start > MOST_KEY_BYTES) return `a key has ${end - start - 2} bytes, more than ${MOST_KEY_BYTES - 2}`;
        const keys = open.at(-1);
        const key = keyOf(text, start, end);
        if (keys?.has(key)) return `the key '${key.slice(1, -1)}' is there twice`;
        keys?.add(key);
        break;
      }
      case COMMA:
        taken += ENTRY_BYTES;
        break;
      default:
    }
    if (taken > heap)
      return `it would take more than ${Math.round(heap / 1e6).toLocaleString('en-US')} MB of heap when parsed`;
  }
  return null;
}

/** Heap for a text that a file keeps beside what it is for. */
const SMALL_HEAP = 16e6;

/** Parses a text from outside that is a flat object or list. Raises an Error that says why it is none. */
export function parseFlat(text: string): unknown {
  const wrong = scanJson(new TextEncoder().encode(text), { depth: 1, heap: SMALL_HEAP + text.length });
  if (wrong !== null) throw new Error(wrong);
  return JSON.parse(text);
}
