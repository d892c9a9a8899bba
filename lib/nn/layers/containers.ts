import { ArgumentError, ShapeError } from '../../errors.js';
import { add } from '../../ops/binary.js';
import { concat } from '../../ops/join.js';
import { checkInteger, checkOptions, shown, shownShape } from '../../support/check.js';
import { sameShape } from '../../tensor/shape.js';
import { checkTensor, type Tensor } from '../../tensor/tensor.js';
import { type Block, type BlockBase, CallableBlock } from '../block/block.js';
import { describeBlock } from '../block/run.js';
import { isBlock } from '../block/tree.js';
import { Sequential } from './sequential.js';

/** The blocks of a constructor, and the options after them, if any. */
function split(who: string, given: readonly unknown[]): readonly [Block[], object | undefined] {
  const last = given.at(-1);
  const options = last === undefined || isBlock(last) ? undefined : (last as object);
  const blocks = options === undefined ? given : given.slice(0, -1);
  for (const block of blocks)
    if (!isBlock(block))
      throw new ArgumentError(`${who} takes blocks, but got ${shown(block)}; wrap a function as new nn.Lambda(f)`);
  return [blocks as Block[], options];
}

/** A block from one tensor to one. */
interface OneToOne extends BlockBase {
  (x: Tensor): Tensor;
}

export interface ConcurrentOptions {
  /** Along which the results are joined; -1 by default. */
  axis?: number | undefined;
}

/** Layers side by side: each gets the input, and their results are joined along an axis. Options come after the layers. */
export class Concurrent extends CallableBlock<OneToOne> {
  /** The axis along which the results are joined. */
  readonly axis: number;
  /** The layers, each of which gets the input. */
  readonly layers: readonly Block[];
  constructor(...layers: [...Block[], ConcurrentOptions]);
  constructor(...layers: Block[]);
  constructor(...given: unknown[]) {
    super();
    const [layers, options] = split('Concurrent', given);
    if (layers.length === 0) throw new ArgumentError('Concurrent takes at least one block');
    this.layers = layers;
    this.axis = checkInteger(
      'Concurrent: axis',
      checkOptions('Concurrent', options as ConcurrentOptions, ['axis']).axis ?? -1,
    );
  }
  override forward(x: Tensor): Tensor {
    return concat(
      this.layers.map(layer => layer(x) as Tensor),
      { axis: this.axis },
    ) as Tensor;
  }
}

export interface ResidualOptions {
  /** The block that is applied to the input before it is added; none by default. */
  shortcut?: Block | undefined;
}

/**
 * x + f(x), with f the layers one after the other (He et al. 2016); options come after them. Raises ShapeError when the two
 * differ in shape.
 */
export class Residual extends CallableBlock<OneToOne> {
  /** The layers f of x + f(x). */
  readonly body: Sequential;
  /** The block that is applied to x before the sum; null for none. */
  readonly shortcut: Block | null;
  constructor(...layers: [...Block[], ResidualOptions]);
  constructor(...layers: Block[]);
  constructor(...given: unknown[]) {
    super();
    const [layers, options] = split('Residual', given);
    if (layers.length === 0) throw new ArgumentError('Residual takes at least one block');
    const { shortcut } = checkOptions('Residual', options as ResidualOptions, ['shortcut']);
    if (shortcut !== undefined && !isBlock(shortcut))
      throw new ArgumentError(`Residual: shortcut takes a block, but got ${shown(shortcut)}`);
    this.body = new Sequential(...(layers as [])) as Sequential;
    this.shortcut = shortcut ?? null;
  }
  override forward(x: Tensor): Tensor {
    checkTensor('Residual', x);
    const y: Tensor = this.body(x);
    const past = this.shortcut === null ? x : (this.shortcut(x) as Tensor);
    if (!sameShape(y.shape, past.shape)) {
      throw new ShapeError(
        `${describeBlock(this)} adds its input, of shape ${shownShape(past.shape)}, to a result of shape ${shownShape(y.shape)}; give it a { shortcut } that makes them alike`,
      );
    }
    return add(past, y);
  }
}
