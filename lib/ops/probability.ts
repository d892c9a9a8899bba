import { ValueError } from '../errors.js';
import { opcode } from '../native/register.js';
import type { Tensor } from '../tensor/tensor.js';
import { invoke, setReal } from './invoke.js';
import { apply, defineOp } from './op.js';
import { max, min } from './reduce.js';
import { detach } from './view.js';

const IN_RANGE = opcode('inRange');

interface WhoAttrs {
  readonly who: string;
}

const probabilitiesOp = defineOp<WhoAttrs>({
  name: 'probabilities',
  infer: ([p]) => ({ shape: (p as Tensor).shape, dtype: (p as Tensor).dtype }),
  run: ([p], { who }, { shape, dtype }) => {
    setReal(0, 0);
    setReal(1, 1);
    try {
      return invoke('probabilities', IN_RANGE, [p as Tensor], shape, dtype);
    } catch (error) {
      throw error instanceof ValueError ? outside(who, p as Tensor) : error;
    }
  },
  gradient: g => [g],
  saves: {},
});

/** The message, once the native call has refused. */
function outside(who: string, p: Tensor): ValueError {
  const values: Tensor = detach(p);
  return new ValueError(
    `${who} takes probabilities from 0 to 1, but got predictions from ${min(values).item()} to ${max(values).item()}`,
  );
}

/** The values themselves; raises where one is no probability. */
export function checkedProbabilities(who: string, p: Tensor): Tensor {
  return apply(probabilitiesOp, [p], { who });
}
