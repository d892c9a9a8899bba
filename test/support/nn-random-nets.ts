import { init, nn, random, type Tensor, tensor } from '../../lib/index.js';
import { matmul } from '../../lib/ops/matmul.js';
import type { makeRandom } from './random.js';

/** One layer of a random net, as data, so that the same net can be built twice. */
export type LayerPlan =
  | { kind: 'dense'; units: number; flatten: boolean; given: number | null; activation: 'relu' | 'gelu' | null }
  | { kind: 'tied'; units: number }
  | { kind: 'activation' | 'dropout' | 'flatten' | 'noise' | 'counter' | 'reader' | 'scale' | 'fault' }
  | { kind: 'nested'; layers: LayerPlan[] };

export interface NetPlan {
  readonly input: readonly number[];
  readonly layers: LayerPlan[];
}

/** Where a net fails while `active`. */
export interface Fault {
  active: boolean;
  readonly kind: 'narrow' | 'operands' | 'throw in the pass' | 'throw in the forward' | 'read and throw' | 'none';
}

export class UserError extends Error {}

/** A user's own layer with a parameter whose shape it learns from its input. */
class Scale extends nn.Block {
  weight = new nn.Parameter({ shape: [-1] });
  forward(x: Tensor): Tensor {
    this.weight.shape = [x.shape.at(-1)!];
    return x.mul(this.weight.data().add(1));
  }
}

/** Keeps a running statistic beside its parameters. */
class Counter extends nn.Block {
  readonly running = tensor([0, 0.25]);
  forward(x: Tensor): Tensor {
    if (!nn.isShapePass()) this.running.copyFrom(this.running.mul(0.5).add(x.mean()));
    return x.add(0.125);
  }
}

class FaultLayer extends nn.Block {
  constructor(readonly fault: Fault) {
    super();
  }
  forward(x: Tensor): Tensor {
    if (!this.fault.active) return x;
    switch (this.fault.kind) {
      case 'narrow':
        return x.ndim === 2 ? x.slice(null, [0, -1]) : x.slice(null, null, [0, -1]);
      case 'operands':
        return matmul(x, tensor([1, 2, 3], { shape: [1, 3, 1] }).reshape([3, 1])).add(x.reshape([-1, 1, 1, 1]));
      case 'throw in the pass':
        if (nn.isShapePass()) throw new UserError('in the pass');
        return x;
      case 'throw in the forward':
        if (!nn.isShapePass()) throw new UserError('in the forward');
        return x;
      case 'read and throw':
        if (x.sum().item() !== undefined) throw new UserError('after a read');
        return x;
      default:
        return x;
    }
  }
}

function waits(plan: LayerPlan): boolean {
  if (plan.kind === 'nested') return plan.layers.some(waits);
  return plan.kind === 'tied' || plan.kind === 'scale' || (plan.kind === 'dense' && plan.given === null);
}

/** A net of 1 to 6 layers, a fault's place among them, and a last layer whose input size is given. */
export function planNet(r: ReturnType<typeof makeRandom>): NetPlan {
  const deep = r.next() < 0.5;
  const input = deep ? [r.int(1, 4), r.int(1, 3), r.int(2, 5)] : [r.int(1, 5), r.int(2, 6)];
  let shape = [...input];
  const width = () => shape.at(-1) as number;
  const one = (depth: number): LayerPlan[] => {
    const kind = r.pick([
      'dense',
      'dense',
      'dense',
      'tied',
      'activation',
      'dropout',
      'flatten',
      'noise',
      'counter',
      'scale',
      'reader',
      'nested',
    ] as const);
    if (kind === 'nested') {
      if (depth > 1) return [];
      return [{ kind, layers: Array.from({ length: r.int(0, 3) }, () => one(depth + 1)).flat() }];
    }
    if (kind === 'reader' && r.next() < 0.7) return [];
    if (kind === 'flatten') shape = [shape[0]!, shape.slice(1).reduce((a, b) => a * b, 1)];
    if (kind === 'tied') {
      shape = [...shape.slice(0, -1), width()];
      return [{ kind, units: width() }];
    }
    if (kind !== 'dense') return [{ kind }];
    const flatten = r.next() < 0.5;
    const inputs = flatten ? shape.slice(1).reduce((a, b) => a * b, 1) : width();
    const units = r.int(1, 7);
    const given = r.next() < 0.3 ? inputs : null;
    shape = flatten ? [shape[0]!, units] : [...shape.slice(0, -1), units];
    return [{ kind, units, flatten, given, activation: r.pick(['relu', 'gelu', null]) }];
  };
  const layers = Array.from({ length: r.int(1, 6) }, () => one(0)).flat();
  // Only a first call that settles shapes is all or nothing.
  if (!layers.some(waits)) layers.push({ kind: 'scale' });
  const last = { kind: 'dense', units: 3, flatten: false, given: width(), activation: null } as const;
  return { input, layers: [...layers, last] };
}

/** Puts the fault among the layers: before the last one where only that makes it fail. */
export function withFault(plan: NetPlan, place: number, fault: Fault): NetPlan {
  const at = fault.kind === 'narrow' ? plan.layers.length - 1 : place % plan.layers.length;
  return { input: plan.input, layers: plan.layers.toSpliced(at, 0, { kind: 'fault' }) };
}

function buildLayer(plan: LayerPlan, fault: Fault): nn.Block[] {
  switch (plan.kind) {
    case 'dense':
      return [
        new nn.Dense(plan.units, {
          flatten: plan.flatten,
          inUnits: plan.given ?? undefined,
          activation: plan.activation ?? undefined,
        }) as unknown as nn.Block,
      ];
    case 'tied': {
      const first = new nn.Dense(plan.units, { flatten: false });
      return [first, new nn.Dense(plan.units, { flatten: false, params: first.params })] as unknown as nn.Block[];
    }
    case 'activation':
      return [new nn.Activation('tanh') as unknown as nn.Block];
    case 'dropout':
      return [new nn.Dropout(0.3) as unknown as nn.Block];
    case 'flatten':
      return [new nn.Flatten() as unknown as nn.Block];
    case 'noise':
      return [new nn.Lambda(x => x.add(random.normal([1], { std: 0.1 }))) as unknown as nn.Block];
    case 'reader':
      return [new nn.Lambda(x => x.add(Math.abs(x.sum().item() as number) > 1e-3 ? 0.5 : 1)) as unknown as nn.Block];
    case 'counter':
      return [new Counter()];
    case 'scale':
      return [new Scale()];
    case 'nested':
      return [new nn.Sequential(...plan.layers.flatMap(layer => buildLayer(layer, fault))) as unknown as nn.Block];
    case 'fault':
      return [new FaultLayer(fault)];
  }
}

export function buildNet(plan: NetPlan, fault: Fault): nn.Sequential {
  nn.resetNames();
  return new nn.Sequential(...plan.layers.flatMap(layer => buildLayer(layer, fault))) as nn.Sequential;
}

/** Running statistics of a net, which are no parameters. */
export function statisticsOf(net: nn.Block): Tensor[] {
  const found: Tensor[] = [];
  net.apply(block => {
    if (block instanceof Counter) found.push(block.running);
  });
  return found;
}

/** A user's own initializer that draws numbers and can be made to throw at one of its calls. */
export class ThrowingInit extends init.Initializer {
  calls = 0;
  throwAt = 0;
  override initWeight(_name: string, data: Tensor): void {
    data.copyFrom(random.normal([...data.shape], { std: 0.4 }));
    if (++this.calls === this.throwAt) throw new UserError('in the initializer');
  }
}
