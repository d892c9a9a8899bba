import { nn, random } from '../../../../lib/index.js';
import { bits } from '../../../support/nn-helpers.js';
import { makeNet, ready } from './nets.js';
import type { Operation } from './operation.js';

export function initializing(): Operation[] {
  return [
    {
      name: 'initialize',
      prepare: () => {
        nn.resetNames();
        random.seed(5);
        const net = new nn.Sequential(new nn.Dense(3, { inUnits: 4 }), new nn.Dense(2, { inUnits: 3 }));
        return { nets: [net], act: () => net.initialize({ init: 'orthogonal' }) };
      },
    },
    {
      name: 'initialize again',
      prepare: () => {
        const net = ready();
        return { nets: [net], act: () => net.initialize({ forceReinit: true }) };
      },
    },
    {
      name: 'inferShape',
      prepare: () => {
        const net = makeNet();
        net.initialize();
        return { nets: [net], act: () => net.inferShape([4, 1, 3, 4]) };
      },
    },
    {
      name: 'clone',
      prepare: () => {
        const net = ready();
        return { nets: [net], act: () => [...net.clone().collectParams()].map(([path, p]) => [path, bits(p.data())]) };
      },
    },
    {
      name: 'cast',
      prepare: () => {
        const net = ready();
        return { nets: [net], act: () => void net.cast('float64') };
      },
    },
  ];
}
