import { autograd, nn, random, type Tensor, tanh, tensor } from '../../lib/index.js';
import { session } from '../../lib/native/register.js';
import { allBits, bits, values } from '../support/nn-helpers.js';

const x = tensor(values(8), { shape: [2, 4] });

/** Forwards that do more than compute; each must give on a deferred net what it gives on one of given sizes. */
const forwards: [string, (layer: nn.Dense, known: nn.Dense, input: Tensor) => Tensor][] = [
  [
    'backward over the input',
    (layer, _, input) => {
      const v = input.detach().clone().attachGrad();
      autograd.record(() => layer(v).square().sum()).backward();
      return v.grad as Tensor;
    },
  ],
  [
    'autograd.grad over the input',
    (layer, _, input) => {
      const v = input.detach().clone().attachGrad();
      const y = autograd.record(() => tanh(layer(v)).square().sum());
      return (autograd.grad([y], [v]) as Tensor[])[0] as Tensor;
    },
  ],
  ['shuffle', (layer, _, input) => layer(random.shuffle(input))],
  [
    'draws weighted by its own activations',
    (layer, _, input) => {
      const h = layer(input);
      return h.add(random.multinomial(h.softmax()).cast('float32').reshape([2, 1]));
    },
  ],
  [
    'zeroGrad of a ready layer',
    (layer, known, input) => {
      known.zeroGrad();
      return layer(input).add(known(input));
    },
  ],
  [
    'a cast of a ready layer',
    (layer, known, input) => {
      known.cast('float64');
      return layer(input).add(known(input.cast('float64')).cast('float32'));
    },
  ],
  ['pause', (layer, known, input) => layer(input).add(autograd.pause(() => known(input)))],
];

it.each(forwards)('%s in a forward', (_, use) => {
  class Uses extends nn.Block {
    layer: nn.Dense;
    known = new nn.Dense(3, { inUnits: 4 }) as nn.Dense;
    constructor(given: boolean) {
      super();
      this.layer = new nn.Dense(3, given ? { inUnits: 4 } : {}) as nn.Dense;
    }
    forward(input: Tensor): Tensor {
      return use(this.layer, this.known, input);
    }
  }
  const run = (given: boolean) => {
    random.seed(17);
    const net = new Uses(given);
    net.initialize({ init: 'xavier' });
    const y = net(x);
    return { y: bits(y), next: bits(random.uniform([3])), ...allBits(net) };
  };
  expect(run(false)).toEqual(run(true));
});

it('one refused allocation is made up for by a sweep', () => {
  const run = (refuseAt: number) => {
    random.seed(18);
    const net = new nn.Sequential(new nn.Dense(5, { activation: 'relu' }), new nn.Dense(2));
    net.initialize();
    session.refuseAllocation(refuseAt, 0);
    try {
      return bits(net(x));
    } finally {
      session.refuseAllocation(0, 0);
    }
  };
  const expected = run(0);
  for (let k = 1; k <= 12; k++) expect(run(k)).toBe(expected);
});
