/** An LSTM reads a noisy series and says what comes next; neither layer is told how many numbers a step has. */
import { autograd, loss, nn, optim, random, stack, type Tensor, Trainer, tensor } from 'latent';
import { reached } from './support/goal.js';

const WINDOW = 40;
const NOISE = 0.05;
const STEPS = 600;

/** Two waves whose periods don't fit, and noise. */
function series(length: number): Tensor<[number], 'float32'> {
  const noise = random.normal([length], { std: NOISE });
  const waves = Float32Array.from({ length }, (_, t) => Math.sin(0.23 * t) + 0.6 * Math.sin(0.071 * t + 1));
  return tensor(waves).add(noise);
}

/** Stretches of the series [count, WINDOW, 1], and the value that follows each [count]. */
function windows(values: Tensor<[number]>, starts: readonly number[]): [Tensor, Tensor] {
  const stretches = starts.map(start => values.slice([start, start + WINDOW]));
  const next = starts.map(start => values.slice(start + WINDOW));
  return [stack(stretches).expandDims(2), stack(next)];
}

class Forecaster extends nn.Block {
  readonly memory = new nn.LSTM(32, { layout: 'NTC' });
  readonly out = new nn.Dense(1);
  override forward(x: Tensor): Tensor {
    const states = this.memory(x);
    return this.out(states.slice(null, -1)).reshape([-1]);
  }
}

const values = series(3000);
const trainUntil = 2400;
const net = new Forecaster();
net.initialize({ init: 'xavier' });
const criterion = new loss.L2();
const trainer = new Trainer(net.collectParams(), 'adam', {
  learningRate: 0.01,
  clipNorm: 1,
  scheduler: new optim.CosineScheduler({ maxUpdate: STEPS }),
});
let recent = 0;
for (let step = 1; step <= STEPS; step++) {
  const starts = [...random.randint(0, trainUntil - WINDOW, [64]).toTypedArray()];
  const [x, y] = windows(values, starts);
  const losses = autograd.record(() => criterion(net(x), y));
  losses.backward();
  trainer.step(starts.length);
  recent += losses.mean().item();
  if (step % 100 === 0) {
    console.log(`step ${step}: loss ${(recent / 100).toFixed(5)}`);
    recent = 0;
  }
}
console.log(net);

const starts = Array.from({ length: values.size - WINDOW - trainUntil }, (_, i) => trainUntil + i);
const [x, y] = windows(values, starts);
const rootMeanSquare = (difference: Tensor): number => Math.sqrt(difference.square().mean().item());
const last: Tensor = x.slice(null, -1, 0);
console.log(
  `taking the last value for the next is off by ${rootMeanSquare(last.sub(y)).toFixed(3)}, the noise alone by ${NOISE}`,
);
reached('error of the forecast', rootMeanSquare(net(x).sub(y)), { atMost: 1.5 * NOISE });
