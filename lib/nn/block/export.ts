import { predictMode, unrecorded } from '../../autograd/modes.js';
import { ArgumentError, BlockError, FormatError, ShapeError } from '../../errors.js';
import { writeFileBeside } from '../../files/write-file.js';
import { NotExportable, SizeDependent } from '../../onnx/free-graph.js';
import { MOST_OPEN, OpenSizes, type Tries } from '../../onnx/sizes.js';
import type { Single } from '../../onnx/small-sizes.js';
import { writeModel } from '../../onnx/write.js';
import { Parameter } from '../../parameter/parameter.js';
import { type Evaluated, evaluate, type Requester } from '../../plan/evaluate.js';
import { type Flat, pathsOf } from '../../plan/frame.js';
import { checkOptions, checkPath, checkString, shown } from '../../support/check.js';
import type { DType } from '../../tensor/dtype.js';
import { transact } from '../../trace/transaction.js';
import type { BlockBase } from './block.js';
import { checkInputs } from './output-shape.js';
import { checkIdle, describeBlock, evaluateShapes, type Input, settleFromShapes, subjectOf, whereIn } from './run.js';
import { classOf, isBlock, treeOf } from './tree.js';

/** The shape of an input, with names for sizes that are left open. */
export type ExportShape = readonly (number | string)[];

export interface ExportOptions {
  /**
   * The shape of the input, or of each of several. A size that has a name is left open, as in ['batch', 3, 'height', 'width'];
   * those of the same name are the same. -1 in front is 'batch'.
   */
  inputShape: ExportShape | readonly ExportShape[];
  /** The inputs' type, or one for each; 'float32' by default. */
  dtype?: DType | readonly DType[] | undefined;
  /** The names of the inputs; by default 'input', or 'input0', 'input1' and so on. */
  inputNames?: readonly string[] | undefined;
  /**
   * The names of the results, in the order in which forward has them; by default 'output', 'output0' and so on in an
   * array, and their keys in an object.
   */
  outputNames?: readonly string[] | undefined;
}

const requester: Requester = { who: 'export', instead: 'export the part of the net that does' };

function checkNames(who: string, names: readonly string[] | undefined, natural: readonly string[]): readonly string[] {
  if (names === undefined) return natural;
  if (!Array.isArray(names) || names.length !== natural.length)
    throw new ArgumentError(
      `${who} takes ${natural.length === 1 ? 'a list of one name' : `a list of ${natural.length} names`}, but got ${shown(names)}`,
    );
  for (const name of names) {
    if (checkString(who, name) === '') throw new ArgumentError(`${who}: a name cannot be empty`);
  }
  return names;
}

/** Names for the tensors of a result: by their places and keys. */
function outputNames({ frame }: Flat): string[] {
  return pathsOf(frame).map(path =>
    path.length === 0 || typeof path[0] === 'number' ? `output${path.join('.')}` : path.join('.'),
  );
}

/** The names that a net from a file has. */
function ownNames(block: BlockBase): { inputNames: readonly string[]; outputNames: readonly string[] } | null {
  const { inputNames, outputNames } = block as { inputNames?: unknown; outputNames?: unknown };
  return Array.isArray(inputNames) && Array.isArray(outputNames) ? { inputNames, outputNames } : null;
}

/** An input whose shape may have names for sizes. */
interface NamedInput extends Omit<Input, 'shape'> {
  readonly shape: ExportShape;
}

function inputsOf(who: string, { inputShape, dtype }: ExportOptions): NamedInput[] {
  if (!Array.isArray(inputShape))
    throw new ArgumentError(
      `${who} takes { inputShape }: the shape of the input, as in [-1, 784], but got ${shown(inputShape)}`,
    );
  const shapes = (
    inputShape.length > 0 && inputShape.every(Array.isArray) ? inputShape : [inputShape]
  ) as readonly ExportShape[];
  for (const shape of shapes)
    if (shape?.includes('')) throw new ArgumentError(`${who}: the name of an open size cannot be empty`);
  const plain = shapes.map(shape => shape?.map(size => (typeof size === 'string' ? 1 : size)));
  const inputs = checkInputs(who, [...plain, ...(dtype === undefined ? [] : [{ dtype }])], -1);
  return inputs.map((input, i) => ({
    ...input,
    shape: (shapes[i] as ExportShape).map((size, d) =>
      typeof size === 'string' ? size : size === -1 ? BATCH : (input.shape[d] as number),
    ),
  }));
}

const BATCH = 'batch';
const batches: Tries = [2, 7, 1008, 33, 128, 5001, 3, 64, 10, 17, 250, 45];

/** Numbers at which open sizes are tried, and smaller ones at which a forward must do the same. */
interface Trial {
  readonly tries: Tries;
  readonly least: readonly number[];
}

/**
 * Of open sizes other than the batch, the first trial whose numbers the forward takes: even and odd ones, multiples of what pictures
 * are halved to, and short ones.
 */
const trials: readonly Trial[] = [
  { tries: [35, 64, 225, 50, 107, 138, 172, 199, 76, 91, 157, 247], least: [1, 2, 3, 4, 5, 6, 8, 11, 16, 23, 31] },
  { tries: [64, 96, 224, 128, 160, 192, 256, 288, 320, 352, 416, 480], least: [32] },
  { tries: [5, 8, 13, 6, 9, 10, 11, 12, 14, 15, 16, 7], least: [1, 2, 3, 4] },
];

/** The same numbers for another of several sizes: in another order, so that no two are alike at a point. */
function turned(tries: Tries, by: number): Tries {
  return [...tries.slice(2 * by), ...tries.slice(0, 2 * by)] as unknown as Tries;
}

/** A forward's evaluations at the points of open sizes, and where one of them is small. */
interface Evaluations {
  readonly open: OpenSizes;
  readonly seen: readonly Evaluated[];
  readonly singles: readonly Single[];
}

function namesIn(inputs: readonly NamedInput[]): string[] {
  return [...new Set(inputs.flatMap(({ shape }) => shape.filter(size => typeof size === 'string')))];
}

/** Traces the forward for the open sizes. */
function evaluations(who: string, block: BlockBase, inputs: readonly NamedInput[]): Evaluations {
  const names = namesIn(inputs);
  if (names.length > MOST_OPEN)
    throw new ArgumentError(
      `${who}: ${names.length} open sizes (${names.join(', ')}), but at most ${MOST_OPEN} can be`,
    );
  const others = names.filter(name => name !== BATCH);
  let refused: unknown = null;
  for (const { tries, least } of others.length === 0 ? trials.slice(0, 1) : trials) {
    const open = new OpenSizes(
      names,
      names.map(name => (name === BATCH ? batches : turned(tries, others.indexOf(name)))),
    );
    try {
      return evaluateAt(who, block, inputs, open, least);
    } catch (error) {
      if (!isMisfit(error)) throw error;
      refused ??= error;
    }
  }
  throw refused;
}

/** Whether an error means that a net refuses a size; a net from a file raises a FormatError for it. */
const isMisfit = (error: unknown): boolean => error instanceof ShapeError || error instanceof FormatError;

function evaluateAt(
  who: string,
  block: BlockBase,
  inputs: readonly NamedInput[],
  open: OpenSizes,
  least: readonly number[],
): Evaluations {
  const { names, points } = open;
  const first = points[0] as readonly number[];
  const placed = (point: readonly number[]): Input[] =>
    inputs.map(({ shape, dtype }) => ({
      dtype,
      shape: shape.map(size => (typeof size === 'string' ? (point[names.indexOf(size)] as number) : size)),
    }));
  /** Has a ShapeError tell the sizes, which nobody gave. */
  const told = <R>(point: readonly number[], body: () => R): R => {
    try {
      return body();
    } catch (error) {
      if (names.length === 0 || !(error instanceof ShapeError)) throw error;
      const sizes = names.map((name, i) => `a ${name} of ${point[i]}`).join(' and ');
      throw new ShapeError(`${who}: at ${sizes}, tried for what is left open, ${error.message}`, { cause: error });
    }
  };
  const at = (point: readonly number[]): Evaluated => {
    const kinds = placed(point).map(kind => ({ ...kind, inOrder: true, tracked: false }));
    return told(point, () => evaluate(subjectOf(block), { ...requester, who }, kinds, null));
  };
  if ([...treeOf(block).parameters.values()].some(parameter => parameter.state === 'deferred')) {
    // Parameters whose shape depends on an open size stay as they were.
    transact(() => {
      told(first, () => settleFromShapes(block, placed(first)));
      for (const point of points.slice(1)) told(point, () => evaluateShapes(block, who, placed(point)));
    });
  }
  const seen: Evaluated[] = [];
  for (const point of points) {
    seen.push(at(point));
    // A forward that depends on the size may do very much at a large one.
    if (seen[0]?.graph.nodes.length !== seen.at(-1)?.graph.nodes.length) break;
  }
  const singles = names.flatMap((name, i) =>
    (name === BATCH ? [1] : least).flatMap((n): Single[] => {
      const point = first.map((size, j) => (i === j ? n : size));
      try {
        const { graph } = at(point);
        // A picture may be too small for what a net does, or shrink to nothing.
        const isEmpty = graph.nodes.some(node => node.kind === 'apply' && node.output.size === 0);
        return name !== BATCH && isEmpty ? [] : [{ point, graph, what: `a ${name} of ${n}` }];
      } catch (error) {
        if (name === BATCH || !isMisfit(error)) throw error;
        return [];
      }
    }),
  );
  return { open, seen, singles };
}

/** A net's forward in prediction mode as an ONNX model, in pieces. */
function modelOf(block: BlockBase, options: ExportOptions): readonly Uint8Array[] {
  const who = `${classOf(block)}.export`;
  checkIdle(block, 'export');
  const given = checkOptions(who, options, ['inputShape', 'dtype', 'inputNames', 'outputNames']);
  const inputs = inputsOf(who, given);
  const own = ownNames(block);
  const natural = inputs.length === 1 ? ['input'] : inputs.map((_, i) => `input${i}`);
  const names = checkNames(`${who}: inputNames`, given.inputNames, own?.inputNames ?? natural);
  const write = () => {
    const { open, seen, singles } = evaluations(who, block, inputs);
    const [{ graph, output }] = seen as readonly [Evaluated];
    const paths = new Map([...treeOf(block).parameters].map(([path, parameter]) => [parameter, path]));
    if (graph.outputs.length === 0)
      throw new BlockError(`${who}: the forward of ${describeBlock(block)} gives no tensor`);
    const outputs = checkNames(`${who}: outputNames`, given.outputNames, own?.outputNames ?? outputNames(output));
    const both = [...names, ...outputs];
    const twice = both.find((name, i) => both.indexOf(name) !== i);
    if (twice !== undefined) throw new ArgumentError(`${who}: two inputs or results are called '${twice}'`);
    const graphs = seen.map(one => one.graph);
    return writeModel(open, graphs, singles, {
      title: classOf(block),
      parameter: owner => {
        const path = owner instanceof Parameter ? paths.get(owner) : undefined;
        return path === undefined ? null : { path, isFrozen: (owner as Parameter).gradReq === 'null' };
      },
      path: running => (isBlock(running) ? (treeOf(block).blocks.get(running) ?? '') : ''),
      inputNames: names,
      outputNames: outputs,
    });
  };
  try {
    return predictMode(() => unrecorded(write));
  } catch (error) {
    if (!(error instanceof NotExportable)) throw error;
    const open = namesIn(inputs).map(name => (name === BATCH ? 'the batch size' : `'${name}'`));
    const hint =
      error instanceof SizeDependent && open.length > 0
        ? `; give ${open.join(' and ')} in inputShape, and the file serves that alone`
        : '';
    throw new BlockError(`${who}: ${whereIn(block, error.owner)} ${error.message}${hint}`);
  }
}

export async function exportNet(block: BlockBase, path: string, options: ExportOptions): Promise<void> {
  const to = checkPath(`${classOf(block)}.export: path`, path);
  await writeFileBeside(to, modelOf(block, options));
}

/** The bytes that `export` writes. */
export function modelBytesOf(block: BlockBase, options: ExportOptions): Uint8Array {
  return new Uint8Array(Buffer.concat(modelOf(block, options)));
}
