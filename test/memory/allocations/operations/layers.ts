import { autograd, nn, random, type Tensor } from '../../../../lib/index.js';
import { inputOf, layers } from '../../../support/layers.js';
import type { Operation } from './operation.js';

/** The first forward of every layer. */
export function everyLayer(): Operation[] {
  return Object.entries(layers).map(([name, entry]): Operation => {
    const make = () => {
      nn.resetNames();
      random.seed(5);
      const layer = entry.make() as nn.Block;
      layer.initialize({ init: 'uniform' });
      return layer;
    };
    return {
      name: `${name}, first forward`,
      prepare: () => {
        const layer = make();
        const input = inputOf(entry);
        if (input.dtype === 'float32') input.attachGrad();
        const act = () => autograd.record(() => layer(input) as Tensor);
        return { nets: [layer], act };
      },
    };
  });
}

/** The way back through every layer. */
export function everyLayerBack(): Operation[] {
  return Object.entries(layers).flatMap(([name, entry]): Operation[] => {
    if (['Identity', 'Flatten'].includes(name)) return [];
    return [
      {
        name: `${name}, back`,
        prepare: () => {
          nn.resetNames();
          random.seed(5);
          const layer = entry.make() as nn.Block;
          layer.initialize({ init: 'uniform' });
          const input = inputOf(entry);
          if (input.dtype === 'float32') input.attachGrad();
          const l = autograd.record(() => {
            const y = layer(input) as Tensor | Tensor[];
            return (Array.isArray(y) ? (y[0] as Tensor) : y).square().sum();
          });
          const act = () => {
            l.backward();
            return input.grad;
          };
          return { nets: [layer], act };
        },
      },
    ];
  });
}
