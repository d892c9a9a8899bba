import { inspect } from 'node:util';
import { shownShape } from '../../support/check.js';
import { bytesOf } from '../../tensor/dtype.js';
import { sizeOf } from '../../tensor/shape.js';
import { isTensor } from '../../tensor/tensor.js';
import { isPlainObject } from '../../trace/shape-pass.js';
import type { BlockBase } from './block.js';
import type { Input } from './run.js';
import { classOf, membersOf, treeOf } from './tree.js';
import { callsOf, multiplyAddsOf } from './work.js';

/** One call of a block, in the order in which the calls end. */
export interface SummaryRow {
  /** The attribute path; empty for the net itself. */
  readonly path: string;
  /** The class's name. */
  readonly layer: string;
  /** The shape of the output, or of each output. */
  readonly outputShape: string;
  /** Elements of the block's own parameters; 0 where they were counted before. */
  readonly parameters: number;
  /** Multiply-adds of the products that the block computes itself. */
  readonly multiplyAdds: number;
  /** Bytes of the block's own parameters. */
  readonly bytes: number;
  /** Whether some of them have no values yet. */
  readonly deferred: boolean;
}

/** The result of `summary`: a row for each call of a block, and the totals. */
export class Summary {
  /** @internal */
  constructor(/** A row for each call, in order. */ readonly rows: readonly SummaryRow[]) {}

  #total(column: 'parameters' | 'multiplyAdds' | 'bytes'): number {
    return this.rows.reduce((n, row) => n + row[column], 0);
  }

  /** Elements of all parameters, shared ones counted once. */
  get parameters(): number {
    return this.#total('parameters');
  }

  /** Multiply-adds of all calls. */
  get multiplyAdds(): number {
    return this.#total('multiplyAdds');
  }

  /** Bytes of all outputs. */
  get bytes(): number {
    return this.#total('bytes');
  }

  toString(): string {
    const someDeferred = this.rows.some(row => row.deferred);
    const number = (n: number) => n.toLocaleString('en-US');
    const head = ['Path', 'Layer', 'Output shape', 'Parameters', 'Multiply-adds', 'Bytes'];
    const body = this.rows.map(row => [
      row.path,
      row.layer,
      row.outputShape,
      `${number(row.parameters)}${row.deferred ? '*' : ''}`,
      number(row.multiplyAdds),
      number(row.bytes),
    ]);
    const foot = ['Total', '', '', number(this.parameters), number(this.multiplyAdds), number(this.bytes)];
    const table = [head, ...body, foot];
    const widths = head.map((_, column) => Math.max(...table.map(row => (row[column] as string).length)));
    const line = (row: readonly string[]) =>
      row
        .map((cell, column) =>
          column < 3 ? cell.padEnd(widths[column] as number) : cell.padStart(widths[column] as number),
        )
        .join('  ')
        .trimEnd();
    const rule = '-'.repeat(widths.reduce((a, b) => a + b, 0) + 2 * (widths.length - 1));
    const note = someDeferred ? ['* without values yet; the sizes are those that this input gives'] : [];
    return [line(head), rule, ...body.map(line), rule, line(foot), ...note].join('\n');
  }

  [inspect.custom](): string {
    return this.toString();
  }
}

export function shapesOf(output: unknown): string {
  if (isTensor(output)) return shownShape(output.shape);
  if (Array.isArray(output)) return output.map(shapesOf).join(', ');
  if (isPlainObject(output))
    return Object.entries(output)
      .map(([key, item]) => `${key}: ${shapesOf(item)}`)
      .join(', ');
  return '-';
}

/** The number of a block's own parameters without those in `counted`, to which they are added. */
export function ownParameters(
  block: BlockBase,
  counted: Set<unknown>,
): { parameters: number; bytes: number; deferred: boolean } {
  let [parameters, bytes, deferred] = [0, 0, false];
  for (const parameter of membersOf(block).parameters.values()) {
    if (counted.has(parameter)) continue;
    counted.add(parameter);
    const size = parameter.known ? sizeOf(parameter.shape) : 0;
    parameters += size;
    deferred ||= parameter.state !== 'ready';
    bytes += size * bytesOf(parameter.dtype);
  }
  return { parameters, bytes, deferred };
}

export function summarize(block: BlockBase, inputs: readonly Input[]): Summary {
  const { blocks } = treeOf(block);
  const counted = new Set<unknown>();
  const rows: SummaryRow[] = [];
  // Deferred parameters have their sizes as long as the evaluation lasts.
  callsOf(block, 'summary', inputs, ({ block: called, output, nodes }) => {
    rows.push({
      path: blocks.get(called) ?? '',
      layer: classOf(called),
      outputShape: shapesOf(output),
      multiplyAdds: multiplyAddsOf(nodes),
      ...ownParameters(called, counted),
    });
  });
  return new Summary(rows);
}
