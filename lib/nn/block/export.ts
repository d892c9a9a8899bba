import { predictMode, unrecorded } from '../../autograd/modes.js';
import { ArgumentError, BlockError, ShapeError } from '../../errors.js';
import { writeFileBeside } from '../../files/write-file.js';
import { NotExportable } from '../../onnx/free-graph.js';
import { triedBatches } from '../../onnx/linear.js';
import { writeModel } from '../../onnx/write.js';
import { Parameter } from '../../parameter/parameter.js';
import { evaluate, type Requester } from '../../plan/evaluate.js';
import { type Flat, pathsOf } from '../../plan/frame.js';
import { checkOptions, checkPath, checkString, shown } from '../../support/check.js';
import type { DType } from '../../tensor/dtype.js';
import type { BlockBase } from './block.js';
import { checkInputs } from './output-shape.js';
import { checkIdle, describeBlock, type Input, settleFromShapes, subjectOf, whereIn } from './run.js';
import { classOf, isBlock, treeOf } from './tree.js';

export interface ExportOptions {
  /** The shape of the input, or of each of several; -1 in front leaves the batch size open. */
  inputShape: readonly number[] | readonly (readonly number[])[];
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

function inputsOf(who: string, { inputShape, dtype }: ExportOptions): Input[] {
  if (!Array.isArray(inputShape))
    throw new ArgumentError(
      `${who} takes { inputShape }: the shape of the input, as in [-1, 784], but got ${shown(inputShape)}`,
    );
  const shapes = inputShape.length > 0 && inputShape.every(Array.isArray) ? inputShape : [inputShape];
  return checkInputs(who, [...(shapes as number[][]), ...(dtype === undefined ? [] : [{ dtype }])], -1);
}

const atBatch = (inputs: readonly Input[], batch: number): Input[] =>
  inputs.map(({ shape, dtype }) => ({ dtype, shape: shape[0] === -1 ? [batch, ...shape.slice(1)] : shape }));

/** A net's forward in prediction mode as an ONNX model, in pieces. */
function modelOf(block: BlockBase, options: ExportOptions): readonly Uint8Array[] {
  const who = `${classOf(block)}.export`;
  checkIdle(block, 'export');
  const given = checkOptions(who, options, ['inputShape', 'dtype', 'inputNames', 'outputNames']);
  const inputs = inputsOf(who, given);
  const isFree = inputs.some(({ shape }) => shape[0] === -1);
  const own = ownNames(block);
  const natural = inputs.length === 1 ? ['input'] : inputs.map((_, i) => `input${i}`);
  const names = checkNames(`${who}: inputNames`, given.inputNames, own?.inputNames ?? natural);
  const { parameters } = treeOf(block);
  if ([...parameters.values()].some(parameter => parameter.state === 'deferred'))
    settleFromShapes(block, atBatch(inputs, triedBatches[0]));
  const paths = new Map([...parameters].map(([path, parameter]) => [parameter, path]));
  return predictMode(() =>
    unrecorded(() => {
      const seenAt = (batch: number) => {
        const kinds = atBatch(inputs, batch).map(kind => ({ ...kind, inOrder: true, tracked: false }));
        try {
          return { batch, ...evaluate(subjectOf(block), { ...requester, who }, kinds, null) };
        } catch (error) {
          // A shape that nobody gave would be told otherwise.
          if (!isFree || !(error instanceof ShapeError)) throw error;
          const message = `${who}: at a batch size of ${batch}, which was tried for the open one: ${error.message}`;
          throw new ShapeError(message, { cause: error });
        }
      };
      const seen: ReturnType<typeof seenAt>[] = [];
      for (const batch of isFree ? triedBatches : [0]) {
        seen.push(seenAt(batch));
        // A forward that depends on the size may do very much at a large one.
        if (seen[0]?.graph.nodes.length !== seen.at(-1)?.graph.nodes.length) break;
      }
      const one = isFree ? seenAt(1).graph : null;
      const [first] = seen as [(typeof seen)[number]];
      if (first.graph.outputs.length === 0)
        throw new BlockError(`${who}: the forward of ${describeBlock(block)} gives no tensor`);
      const outputs = checkNames(
        `${who}: outputNames`,
        given.outputNames,
        own?.outputNames ?? outputNames(first.output),
      );
      const both = [...names, ...outputs];
      const twice = both.find((name, i) => both.indexOf(name) !== i);
      if (twice !== undefined) throw new ArgumentError(`${who}: two inputs or results are called '${twice}'`);
      try {
        return writeModel(seen, one, {
          title: classOf(block),
          parameter: owner => {
            const path = owner instanceof Parameter ? paths.get(owner) : undefined;
            return path === undefined ? null : { path, isFrozen: (owner as Parameter).gradReq === 'null' };
          },
          path: running => (isBlock(running) ? (treeOf(block).blocks.get(running) ?? '') : ''),
          inputNames: names,
          outputNames: outputs,
        });
      } catch (error) {
        throw error instanceof NotExportable ? told(who, block, error, isFree) : error;
      }
    }),
  );
}

function told(
  who: string,
  block: BlockBase,
  { message, owner, constructor }: NotExportable,
  isFree: boolean,
): BlockError {
  const hint =
    isFree && constructor !== NotExportable ? '; give the batch size in inputShape, and the file serves that one' : '';
  return new BlockError(`${who}: ${whereIn(block, owner)} ${message}${hint}`);
}

export async function exportNet(block: BlockBase, path: string, options: ExportOptions): Promise<void> {
  const to = checkPath(`${classOf(block)}.export: path`, path);
  await writeFileBeside(to, modelOf(block, options));
}

/** The bytes that `export` writes. */
export function modelBytesOf(block: BlockBase, options: ExportOptions): Uint8Array {
  return new Uint8Array(Buffer.concat(modelOf(block, options)));
}
