import { ints, OutputKind, opcode, Place, reals, Status, session } from '../../../lib/native/register.js';

/** One raw call, as the register carries it. Whatever is here may be wrong. */
export interface Request {
  name: string;
  code: number;
  kind: number;
  /** Slots; 0 is a number among the scalars. */
  inputs: number[];
  count: number;
  scalars: number[];
  scalarDType: number;
  shape: number[];
  rank: number;
  dtype: number;
  ints: number[];
  reals: number[];
  target: number;
  /** Shapes of the outputs after the first, for several. */
  more?: number[][];
}

export const DTypes = { float32: 0, float64: 1, int32: 2, uint8: 3, bool: 4 } as const;

export function request(name: string, given: Partial<Request>): Request {
  const inputs = given.inputs ?? [];
  const shape = given.shape ?? [];
  return {
    name,
    code: opcode(name),
    kind: OutputKind.unmanaged,
    inputs,
    count: inputs.length,
    scalars: [],
    scalarDType: 0,
    shape,
    rank: shape.length,
    dtype: 0,
    ints: [],
    reals: [],
    target: 0,
    ...given,
  };
}

/** Sends a request and returns its status; a new slot is then in `ints[Place.outputId]`. */
export function send(r: Request, handle?: object): number {
  ints.fill(0);
  reals.fill(0);
  ints[Place.opcode] = r.code;
  ints[Place.outputKind] = r.kind;
  ints[Place.inputCount] = r.count;
  for (let i = 0; i < r.inputs.length; i++) ints[Place.inputIds + i] = r.inputs[i]!;
  ints[Place.outputId] = r.target;
  ints[Place.outputDType] = r.dtype;
  ints[Place.outputRank] = r.rank;
  ints[Place.scalarDType] = r.scalarDType;
  for (let i = 0; i < r.ints.length; i++) ints[Place.ints + i] = r.ints[i]!;
  for (let d = 0; d < r.shape.length && d < 8; d++) reals[Place.outputShape + d] = r.shape[d]!;
  for (let i = 0; i < r.reals.length; i++) reals[Place.reals + i] = r.reals[i]!;
  for (let i = 0; i < r.scalars.length; i++) reals[Place.scalars + i] = r.scalars[i]!;
  r.more?.forEach((shape, i) => {
    ints[Place.moreOutputs] = r.more?.length ?? 0;
    if (i > 1) return;
    ints[Place.moreRanks + i] = shape.length;
    for (let d = 0; d < shape.length && d < 8; d++) reals[Place.moreShapes + 8 * i + d] = shape[d]!;
  });
  session.call(handle);
  return ints[Place.status]!;
}

/** The slots after the first that a request for several has just made. */
export function moreSlots(r: Request): number[] {
  return (r.more ?? []).map((_, i) => ints[Place.moreIds + i]!);
}

/** Sends a request that must succeed; its new slot. */
export function obtain(r: Request): number {
  const status = send(r);
  if (status !== Status.ok) throw new Error(`a call to prepare with was refused: ${status} ${JSON.stringify(r)}`);
  return ints[Place.outputId]!;
}
