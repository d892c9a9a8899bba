import type * as Wire from '@bufbuild/protobuf/wire';
import { ArgumentError } from '../errors.js';
import { bytesOf } from '../tensor/dtype.js';
import { encodeMessage } from './codec.js';
import { elementsOf, tensorHead } from './elements.js';
import { type Init, type Model, messages } from './schema.js';
import type { Initializer } from './writer.js';

const wire = (): typeof Wire => require('@bufbuild/protobuf/wire') as typeof Wire;

/** A message is shorter than this: what reads one counts its bytes in 32 bits, one of them the sign. */
export const MOST_BYTES = 2 ** 31 - 1;

const LENGTH_DELIMITED = 2;

/** A field's number and the length of what follows. */
function head(number: number, length: number): Uint8Array {
  const { BinaryWriter } = wire();
  return new BinaryWriter().tag(number, LENGTH_DELIMITED).uint32(length).finish();
}

const lengthOf = (chunks: readonly Uint8Array[]): number => chunks.reduce((n, chunk) => n + chunk.length, 0);

/**
 * The bytes of a model, in pieces: the elements of what it keeps beside its graph are never copied into one message. They
 * are the ones of now, whatever happens to the tensors later.
 */
export function modelBytes(
  model: Omit<Init<Model>, 'graph'>,
  graph: Init<NonNullable<Model['graph']>>,
  initializers: readonly Initializer[],
): readonly Uint8Array[] {
  const least = initializers.reduce((n, { tensor }) => n + tensor.size * bytesOf(tensor.dtype), 0);
  if (least > MOST_BYTES) throw tooLarge(least);
  const kept = initializers.flatMap(({ name, tensor }) => {
    const elements = elementsOf(tensor);
    const inner = [
      encodeMessage('TensorData', { ...tensorHead(tensor), name }),
      head(messages.TensorData.rawData.number, elements.length),
    ];
    return [head(messages.Graph.initializer.number, lengthOf(inner) + elements.length), ...inner, elements];
  });
  const chunks = [encodeMessage('Graph', graph), ...kept];
  const length = lengthOf(chunks);
  if (length > MOST_BYTES) throw tooLarge(length);
  return [encodeMessage('Model', model), head(messages.Model.graph.number, length), ...chunks];
}

function tooLarge(bytes: number): ArgumentError {
  return new ArgumentError(
    `export: the net takes ${bytes} bytes as an ONNX file, which holds at most ${MOST_BYTES}; saveParameters has no such bound`,
  );
}
