import { nn, type Tensor } from '../../../lib/index.js';
import { inputOf, layers } from '../../support/layers.js';

// In a file of its own: while a parameter somewhere waits for its shape, every call looks.
test.each(Object.entries(layers))('a call of %s that goes well looks through no net', (_, entry) => {
  const x = inputOf(entry);
  let looks = 0;
  const inner = entry.make();
  class Holder extends nn.Block {
    bag = {
      get inner() {
        looks++;
        return inner;
      },
    };
    override forward(x: Tensor): unknown {
      return (inner as nn.Block)(x);
    }
  }
  const net = new Holder();
  net.initialize();
  net(x);
  const before = looks;
  expect(before).toBeGreaterThan(0);
  net(x);
  expect(looks).toBe(before);
});
