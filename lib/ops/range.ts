import { ValueError } from '../errors.js';
import { opcode } from '../native/register.js';
import type { Tensor } from '../tensor/tensor.js';
import { invoke, setReal } from './invoke.js';
import { apply, defineOp } from './op.js';
import { max, min } from './reduce.js';
import { detach } from './view.js';

const IN_RANGE = opcode('inRange');

/** A range of values, and its name in messages. */
interface RangeAttrs {
  readonly who: string;
  readonly low: number;
  readonly high: number;
  /** The name of the range: `probabilities from 0 to 1`. */
  readonly takes: string;
  /** The advice, where there is one. */
  readonly hint: string | undefined;
}

const inRangeOp = defineOp<RangeAttrs>({
  name: 'inRange',
  infer: ([x]) => ({ shape: (x as Tensor).shape, dtype: (x as Tensor).dtype }),
  run: ([x], attrs, { shape, dtype }) => {
    setReal(0, attrs.low);
    setReal(1, attrs.high);
    try {
      return invoke('inRange', IN_RANGE, [x as Tensor], shape, dtype);
    } catch (error) {
      throw error instanceof ValueError ? outside(x as Tensor, attrs) : error;
    }
  },
  gradient: g => [g],
  saves: {},
});

/** The message, once the native call has refused. */
function outside(x: Tensor, { who, takes, hint }: RangeAttrs): ValueError {
  const values: Tensor = detach(x);
  return new ValueError(
    `${who} takes ${takes}, but got predictions from ${min(values).item()} to ${max(values).item()}${hint === undefined ? '' : `; ${hint}`}`,
  );
}

/** The values themselves; raises where one is no probability. */
export function checkedProbabilities(who: string, p: Tensor, hint?: string): Tensor {
  return apply(inRangeOp, [p], { who, low: 0, high: 1, takes: 'probabilities from 0 to 1', hint });
}

/**
 * The most by which rounding may put a logarithm of a probability above 0: a logarithm that was taken as a difference of numbers of a
 * hundred thousand is no more exact in float32.
 */
const SLACK = 0.01;

/** The values themselves; raises where one is no logarithm of a probability. */
export function checkedLogarithms(who: string, logs: Tensor, hint?: string): Tensor {
  const takes = 'logarithms of probabilities, at most 0';
  return apply(inRangeOp, [logs], { who, low: -Infinity, high: SLACK, takes, hint });
}

/** The values themselves; raises where one is below 0. */
export function checkedRates(who: string, rates: Tensor, hint?: string): Tensor {
  return apply(inRangeOp, [rates], { who, low: 0, high: Infinity, takes: 'rates from 0', hint });
}
