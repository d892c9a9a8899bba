/**
 * The walk through deferred initialization, after Dive into Deep Learning 5.3, and its three exercises answered.
 * Every line that is printed is part of the library's contract.
 */
import {
  DeferredInitializationError,
  init,
  nn,
  ParameterNotInitializedError,
  random,
  ShapeError,
  type Tensor,
} from 'latent';

function title(text: string): void {
  console.log(`\n# ${text}`);
}

/** Runs what must fail, and prints how. */
function expectError(kind: new (message: string) => Error, body: () => unknown): void {
  try {
    body();
  } catch (error) {
    if (!(error instanceof kind)) throw error;
    console.log(`${error.name}: ${error.message}`);
    return;
  }
  throw new Error(`expected a ${kind.name}`);
}

/** As a tuple: (256, 20). */
function tuple(shape: readonly number[]): string {
  return `(${shape.join(', ')}${shape.length === 1 ? ',' : ''})`;
}

title('A net without input sizes');
const net = new nn.Sequential(new nn.Dense(256, { activation: 'relu' }), new nn.Dense(10));
console.log(net);
console.log(net.collectParams());
expectError(ParameterNotInitializedError, () => net[0].weight.data());

title('initialize() registers the wish and changes nothing that is printed');
net.initialize();
console.log(net.collectParams());
expectError(DeferredInitializationError, () => net[0].weight.data());

title('The first batch settles every shape, from front to back');
net(random.uniform([2, 20]));
console.log(net.collectParams());

title("A user's own initializer runs when the shapes are known");
class MyInit extends init.Initializer {
  initWeight(name: string, data: Tensor): void {
    console.log('Init', name, tuple(data.shape));
  }
}
const second = new nn.Sequential();
second.add(new nn.Dense(256, { activation: 'relu' }));
second.add(new nn.Dense(10));
second.initialize({ init: new MyInit() });
console.log('initialized; now the first forward:');
second(random.uniform([2, 20]));
console.log('and a second one:');
second(random.uniform([2, 20]));

title('forceReinit: every shape is known, so it runs at once');
second.initialize({ init: new MyInit(), forceReinit: true });

title('With every input size given there is nothing to wait for');
const third = new nn.Sequential(
  new nn.Dense(256, { activation: 'relu', inUnits: 20 }),
  new nn.Dense(10, { inUnits: 256 }),
);
third.initialize({ init: new MyInit() });

title('Exercise 1: some input sizes given, others not');
const partly = new nn.Sequential(new nn.Dense(256, { activation: 'relu', inUnits: 20 }), new nn.Dense(10));
partly.initialize();
console.log(`after initialize: 0.weight is ${partly[0].weight.state}, 1.weight is ${partly[1].weight.state}`);
partly(random.uniform([2, 20]));
console.log(`after a batch:    0.weight is ${partly[0].weight.state}, 1.weight is ${partly[1].weight.state}`);

title('Exercise 2: sizes that do not fit');
const mismatched: nn.Sequential = new nn.Sequential();
mismatched.add(new nn.Dense(256, { activation: 'relu' })).add(new nn.Dense(10, { inUnits: 128 }));
mismatched.initialize();
expectError(ShapeError, () => mismatched(random.uniform([2, 20])));
console.log(`nothing was created: 0.weight is ${mismatched.get(0, nn.Dense).weight.state}`);

title('Exercise 3: inputs of varying size');
const varying: Tensor = random.uniform([2, 30]);
expectError(ShapeError, () => net(varying));
console.log(
  'Layers whose parameters do not depend on the size take both; here each column goes through one shared layer:',
);
class PerColumn extends nn.Block {
  shared = new nn.Dense(4, { flatten: false });
  forward(x: Tensor): Tensor {
    return this.shared(x.expandDims(2)).mean({ axis: 1 });
  }
}
const perColumn = new PerColumn();
perColumn.initialize();
for (const columns of [20, 30])
  console.log(`[2, ${columns}] -> ${tuple(perColumn(random.uniform([2, columns])).shape)}`);
