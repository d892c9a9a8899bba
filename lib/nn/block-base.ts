import type { ParameterDict } from '../parameter/dict.js';
import type { InitializeOptions } from '../parameter/initialize.js';
import type { LoadParametersOptions } from '../parameter/persist.js';
import type { DType } from '../tensor/dtype.js';
import type { Tensor } from '../tensor/tensor.js';
import type { ExportOptions } from './export.js';
import type { ForwardHook, ForwardPreHook, HookHandle } from './hooks.js';
import type { HybridizeOptions } from './hybrid.js';
import type { PredictOptions, PredictSyncOptions } from './predict.js';
import type { Summary } from './summary.js';

export interface ShapeOptions {
  /** The inputs' dtype, or one for each; 'float32' by default. */
  dtype?: DType | readonly DType[] | undefined;
}

/** A shape for each tensor that a forward returns, in the forward's own structure. */
export type OutputShape = readonly number[] | readonly OutputShape[] | { readonly [key: string]: OutputShape };

/** What every block has but its call signature, which each class declares for itself. */
export interface BlockBase {
  /** The class's name unless set. */
  name: string;
  /** Gluon's running prefix of display names: `dense0_`. */
  readonly prefix: string;
  /** The child blocks, by attribute path, in definition order. */
  readonly children: ReadonlyMap<string, Block>;
  /** The block's own parameters, without those of its children, by attribute name. */
  readonly params: ParameterDict;
  /**
   * The parameters of the block and everything below it by path; with a pattern those whose path matches.
   */
  collectParams(pattern?: RegExp | string): ParameterDict;
  /**
   * Registers how parameters get their first values. Those of known shape get them at once, the others at the first call,
   * when a batch tells their sizes.
   */
  initialize(options?: InitializeOptions): void;
  /** Calls `fn` for every block below, innermost first, and for this one last. */
  apply(fn: (block: Block) => void): this;
  /** Changes the type of all parameters: 'float32' or 'float64'. */
  cast(dtype: 'float32' | 'float64'): this;
  /** A copy with the same structure, values and pending state, ties kept; not hybridized, without hooks. No constructor runs. */
  clone(): this;
  /** Settles every shape and draws all parameters, as a first batch of these shapes would; after initialize(). */
  inferShape(...shapes: readonly (readonly number[] | ShapeOptions)[]): void;
  /** The shapes that a forward would return; touches no parameter. -1 stands for any batch size. */
  outputShape(...shapes: readonly (readonly number[] | ShapeOptions)[]): any;
  /** Prints a table of layers, output shapes, parameters and multiply-adds, and returns it; touches no parameter. */
  summary(...shapes: readonly (readonly number[] | ShapeOptions)[]): Summary;
  /**
   * A picture of the forward for inputs of these shapes, as SVG: layers with their settings, output shapes and parameters,
   * and what blocks do between them; touches no parameter.
   */
  toSVG(...shapes: readonly (readonly number[] | ShapeOptions)[]): string;
  /** Writes all parameters to a safetensors file, whole or not at all. */
  saveParameters(path: string): void;
  /** Reads all parameters from a safetensors file, also before any shape is known; all or nothing. */
  loadParameters(path: string, options?: LoadParametersOptions): void;
  /** The bytes that `saveParameters` writes. */
  toBytes(): Uint8Array;
  /** Reads all parameters from such bytes, into this net; all or nothing. */
  fromBytes(bytes: Uint8Array, options?: LoadParametersOptions): void;
  /**
   * Writes the forward in prediction mode as an ONNX model (opset 17), whole or not at all: `net.export('net.onnx', {
   * inputShape: [-1, 784] })`, -1 for an open batch size. Values are those of now. Raises BlockError for what ONNX cannot say.
   */
  export(path: string, options: ExportOptions): Promise<void>;
  /** The bytes that `export` writes. */
  toOnnx(options: ExportOptions): Uint8Array;
  /** Calls `hook(block, inputs, output)` after each forward. Hooks watch; shape passes run without them. */
  registerForwardHook(hook: ForwardHook): HookHandle;
  /** Calls `hook(block, inputs)` before each forward. */
  registerForwardPreHook(hook: ForwardPreHook): HookHandle;
  /**
   * Has calls of this block run by a plan: the forward is traced once for each kind of inputs, then each call is one native
   * call. Results are the same. `hybridize(false)` goes back.
   */
  hybridize(active?: boolean, options?: HybridizeOptions): void;
  /**
   * The forward's result in prediction mode, computed on a native thread: timers and sockets go on meanwhile, and several
   * predictions run at once. Each sees inputs and parameters as they were when it was asked for. Several inputs come as an
   * array. Rejects with what the forward raises; hooks do not run.
   */
  predict(input: Tensor | readonly any[], options?: PredictOptions): Promise<any>;
  /** The same on the calling thread. */
  predictSync(input: Tensor | readonly any[], options?: PredictSyncOptions): any;
  /** Has the forward of a hybridized block traced again: for when plain JavaScript values that it reads have changed. */
  retrace(): void;
  /** Sets the gradients of all parameters to zeros. */
  zeroGrad(): void;
  /** Makes a block that private fields would hide a child under a name of its own; returns it. */
  own<B extends BlockBase>(name: string, block: B): B;
  /** For blocks of your own: define it, and call the block: `block(x)`. Called directly it skips hooks and deferral. */
  forward(...inputs: any[]): any;
}

type Result<R> = 0 extends 1 & R ? Tensor : R;

/** What users extend: callable with its own forward's inputs and result. */
export interface Block extends BlockBase {
  (...inputs: Parameters<this['forward']>): Result<ReturnType<this['forward']>>;
}
