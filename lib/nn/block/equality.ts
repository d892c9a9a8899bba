import { parameterInternals } from '../../parameter/parameter.js';
import { toFileBytes } from '../../parameter/persist.js';
import type { BlockBase } from './block.js';
import { classOf, isBlock, treeOf } from './tree.js';

/** Structure, types and values of a block as text. */
function fingerprint(block: BlockBase): string {
  const { blocks, parameters } = treeOf(block);
  const layers = [...blocks].map(([child, path]) => `${path}: ${classOf(child)} ${String(child)}`);
  const values = [...parameters].map(([path, parameter]) => {
    const held =
      parameter.state === 'ready'
        ? Buffer.from(toFileBytes({ who: '', parameters: new Map([['', parameter]]) })).toString('base64')
        : '';
    return `${path}: [${parameter.shape.join()}] ${parameter.dtype} ${parameter.gradReq} ${parameterInternals.isFrozen(parameter)} ${parameter.lrMult} ${parameter.wdMult} ${parameter.state} ${held}`;
  });
  return [...layers, ...values].join('\n');
}

/**
 * Whether two blocks have the same structure, the same states and bit for bit the same values; undefined where neither is a
 * block. As jest's equality tester: `expect.addEqualityTesters([nn.blockEquals])`.
 */
export function blockEquals(a: unknown, b: unknown): boolean | undefined {
  if (!isBlock(a) && !isBlock(b)) return undefined;
  if (!isBlock(a) || !isBlock(b)) return false;
  return a === b || fingerprint(a) === fingerprint(b);
}

/** Prints blocks in jest's snapshots as they print themselves: `expect.addSnapshotSerializer(nn.blockSerializer)`. */
export const blockSerializer = {
  test: (value: unknown): boolean => isBlock(value),
  serialize: (value: unknown): string => String(value),
};
