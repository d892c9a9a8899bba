import { ArgumentError, BlockError, DTypeError, FormatError, ShapeError } from '../errors.js';
import { FileReader } from '../files/read-file.js';
import { Initializer } from '../init/initializer.js';
import { freeBuffers } from '../memory/free-buffers.js';
import { type BlockBase, CallableBlock } from '../nn/block/block.js';
import { describeBlock } from '../nn/block/run.js';
import { isReserved, nameOwn } from '../nn/block/tree.js';
import { MOST_BYTES } from '../onnx/file.js';
import { type DeclaredInput, type Program, type ReadModel, readModel } from '../onnx/read.js';
import { clone } from '../ops/cast.js';
import { Parameter, parameterInternals } from '../parameter/parameter.js';
import { checkBytes, checkPath, shownShape } from '../support/check.js';
import { bytesOf, newTypedArray } from '../tensor/dtype.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';

/** How a net from a file is called. */
interface OnnxCall extends BlockBase {
  (...inputs: Tensor[]): any;
}

const PROGRAM = 'program';

/** The values of the file, for what no layer draws. */
class AsRead extends Initializer {
  constructor(private readonly values: Tensor) {
    super();
  }

  override initWeight(_name: string, data: Tensor): void {
    data.copyFrom(this.values);
  }
}

/** A net read from an ONNX file: its parameters have the names that the file gives them. */
export class OnnxNet extends CallableBlock<OnnxCall> {
  /** @internal */
  constructor({ program, values }: ReadModel) {
    super();
    // Not enumerable: a block's fields are looked through for its parameters. What is in it is shared by clones.
    Object.defineProperty(this, PROGRAM, { value: program });
    for (const { name, dtype, role, isFrozen, isLayers } of program.weights) {
      const initial = values.get(name) as Tensor;
      const parameter = new Parameter({
        shape: initial.shape,
        role,
        dtype: dtype as 'float32',
        ...(isFrozen && { gradReq: 'null' }),
        ...(!isLayers && { init: new AsRead(clone(initial)) }),
      });
      Object.defineProperty(this, name, { value: parameter, enumerable: true, configurable: true, writable: true });
      parameterInternals.give(parameter, initial);
    }
    nameOwn(this);
  }

  /** The names of the file's inputs, in the order in which they are given. */
  get inputNames(): readonly string[] {
    return programOf(this).inputs.map(({ name }) => name);
  }

  /** The names of the file's outputs: one is the result itself, several are an array in this order. */
  get outputNames(): readonly string[] {
    return programOf(this).outputs;
  }

  override cast(dtype: 'float32' | 'float64'): this {
    const other = programOf(this).weights.find(weight => weight.dtype !== dtype);
    if (other === undefined) return this;
    throw new BlockError(
      `OnnxNet.cast: the file says which types its values have (${other.name}: ${other.dtype}); cast a net before it is exported`,
    );
  }

  override forward(...inputs: Tensor[]): Tensor | Tensor[] {
    const program = programOf(this);
    if (inputs.length !== program.inputs.length) {
      throw new ArgumentError(
        `${describeBlock(this)} takes ${program.inputs.length} inputs (${this.inputNames.join(', ')}), but got ${inputs.length}`,
      );
    }
    const open = new Map<string, { readonly size: number; readonly of: string }>();
    program.inputs.forEach((declared, i) => {
      checkInput(this, declared, inputs[i]);
      declared.names.forEach((name, d) => {
        const size = (inputs[i] as Tensor).shape[d] as number;
        const other = open.get(name) ?? { size, of: declared.name };
        if (name !== '') open.set(name, other);
        if (other.size !== size) {
          throw new ShapeError(
            `${describeBlock(this)}: '${name}' is ${other.size} in input '${other.of}', but ${size} along axis ${d} of input '${declared.name}'`,
          );
        }
      });
    });
    const results = program.run(inputs, name => (Reflect.get(this, name) as Parameter).data() as Tensor);
    return results.length === 1 ? (results[0] as Tensor) : results;
  }

  override describe(): string {
    return `${this.inputNames.join(', ')} -> ${this.outputNames.join(', ')}`;
  }
}

function isTaken(name: string): boolean {
  return isReserved(name) || Object.hasOwn(OnnxNet.prototype, name) || name === PROGRAM;
}

function programOf(net: object): Program {
  return (net as { [PROGRAM]: Program })[PROGRAM];
}

function checkInput(net: BlockBase, { name, dtype, shape }: DeclaredInput, given: unknown): void {
  const x = checkTensor(() => `${describeBlock(net)}: input '${name}'`, given);
  if (x.dtype !== dtype)
    throw new DTypeError(
      `${describeBlock(net)}: input '${name}' takes ${dtype}, but got ${x.dtype}; cast('${dtype}') it`,
    );
  if (shape === null) return;
  if (x.ndim === shape.length && shape.every((size, d) => size === -1 || size === x.shape[d])) return;
  throw new ShapeError(
    `${describeBlock(net)}: input '${name}' takes shape ${shownShape(shape)}, -1 for any size, but got ${shownShape(x.shape)}`,
  );
}

/** Reads a net from an ONNX file that `export` wrote, or one of the same operators. */
export function load(path: string): OnnxNet {
  return make(readFile(checkPath('io.onnx.load', path)));
}

function readFile(path: string): ReadModel {
  const file = new FileReader(path);
  try {
    if (file.size > MOST_BYTES)
      throw new FormatError(
        `${path} is no ONNX model that can be read: it has ${file.size} bytes, more than ${MOST_BYTES}`,
      );
    const bytes = newTypedArray('uint8', file.size) as Uint8Array;
    if (!file.read(bytes, 0)) throw new FormatError(`${path} became shorter while it was read`);
    return readModel(bytes, path, isTaken);
  } finally {
    file.close();
  }
}

/** As `load`, from memory. */
export function fromBytes(bytes: Uint8Array): OnnxNet {
  return make(readModel(checkBytes('io.onnx.fromBytes', bytes), 'The buffer', isTaken));
}

function make(read: ReadModel): OnnxNet {
  const twice = read.program.weights.filter(({ isLayers }) => !isLayers);
  // Parameters that no layer draws are kept twice: the second time in the memory that the file had.
  freeBuffers(twice.reduce((n, { name, dtype }) => n + (read.values.get(name) as Tensor).size * bytesOf(dtype), 0));
  return new OnnxNet(read);
}
