import { backwards } from './backwards.js';
import { files } from './files.js';
import { forwards } from './forwards.js';
import { initializing } from './initializing.js';
import { everyLayer, everyLayerBack } from './layers.js';
import type { Operation } from './operation.js';
import { others } from './others.js';
import { predictions } from './predictions.js';
import { steps } from './steps.js';
import { tensors } from './tensors.js';

/** Every public operation that asks for memory. */
export function operations(): Operation[] {
  return [
    ...initializing(),
    ...forwards(),
    ...backwards(),
    ...steps(),
    ...predictions(),
    ...files(),
    ...everyLayer(),
    ...everyLayerBack(),
    ...tensors(),
    ...others(),
  ];
}
