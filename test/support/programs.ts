import {
  add,
  concat,
  cumsum,
  equal,
  flip,
  greaterEqual,
  less,
  logSoftmax,
  matmul,
  maximum,
  minimum,
  mul,
  nn,
  ones,
  random,
  softmax,
  sub,
  type Tensor,
  take,
  tensor,
  where,
} from '../../lib/index.js';
import { values } from './nn-helpers.js';
import type { makeRandom } from './random.js';

type Random = ReturnType<typeof makeRandom>;

/** One operation of a random program: of tensors that came before, by their places. */
interface Line {
  readonly name: string;
  readonly run: (pool: readonly Tensor[]) => Tensor;
}

/** A random forward over a batch in front, as data, with what it captures. */
export interface Program {
  readonly input: readonly number[];
  readonly lines: readonly Line[];
  readonly outputs: readonly number[];
  readonly text: string;
}

/** What a program's forward reads from outside. */
interface Outside {
  readonly parameter: nn.Parameter;
  readonly buffer: Tensor;
  readonly strided: Tensor;
}

const unary = [
  'neg',
  'abs',
  'sign',
  'exp',
  'square',
  'sin',
  'tanh',
  'sigmoid',
  'relu',
  'gelu',
  'silu',
  'erf',
  'floor',
] as const;
const binary = { add, sub, mul, maximum, minimum };
const compare = { less, greaterEqual, equal };
const rowwise: Record<string, (x: Tensor, options: { axis: number }) => Tensor> = {
  softmax: (x, o) => softmax(x, o) as Tensor,
  logSoftmax: (x, o) => logSoftmax(x, o) as Tensor,
  cumsum: (x, o) => cumsum(x, o),
  flip: (x, o) => flip(x, o) as Tensor,
};
const names = <T extends object>(of: T): (keyof T & string)[] => Object.keys(of) as (keyof T & string)[];
const reduce = ['sum', 'mean', 'max', 'min'] as const;

/** A program of up to `count` operations on x[batch, rows, columns]; its batch stays the first axis of most of them. */
export function makeProgram(r: Random, count: number, outside: Outside): Program {
  const [rows, columns] = [r.int(1, 4), r.int(1, 6)];
  const batch = 3;
  const shapes: number[][] = [[batch, rows, columns]];
  const lines: Line[] = [];
  const push = (name: string, shape: number[], run: Line['run']): void => {
    lines.push({ name, run });
    shapes.push(shape);
  };
  for (let i = 0; i < count; i++) {
    // What was made last more often than what was made first, so that programs are deep.
    const a = Math.max(0, shapes.length - 1 - r.int(0, 3));
    const shape = shapes[a] as number[];
    const at = (pool: readonly Tensor[]): Tensor => pool[a] as Tensor;
    const b = r.pick(shapes.flatMap((other, j) => (String(other) === String(shape) ? [j] : [])));
    switch (r.int(0, 19)) {
      case 0:
      case 1: {
        const name = r.pick(unary);
        push(name, shape, pool => at(pool)[name]() as Tensor);
        break;
      }
      case 2:
      case 3: {
        const name = r.pick(names(binary));
        push(name, shape, pool => binary[name](at(pool), pool[b] as Tensor) as Tensor);
        break;
      }
      case 4: {
        const [name, number] = [r.pick(names(binary)), r.next() * 2 - 1];
        push(`${name} ${number.toFixed(2)}`, shape, pool => binary[name](at(pool), number) as Tensor);
        break;
      }
      case 5: {
        const name = r.pick(names(compare));
        push(
          `where ${name}`,
          shape,
          pool => where(compare[name](at(pool), pool[b] as Tensor) as Tensor, at(pool), pool[b] as Tensor) as Tensor,
        );
        break;
      }
      case 6: {
        if (shape.length < 2) break;
        const axis = r.int(1, shape.length - 1);
        const name = r.pick(reduce);
        push(
          `${name} ${axis}`,
          shape.map((n, d) => (d === axis ? 1 : n)),
          pool => at(pool)[name]({ axis, keepdims: true }) as Tensor,
        );
        break;
      }
      case 7: {
        if (shape.length !== 3) break;
        push('swap', [shape[0] as number, shape[2] as number, shape[1] as number], pool => at(pool).swapAxes(1, 2));
        break;
      }
      case 8: {
        if (shape.length < 2) break;
        const last = shape.at(-1) as number;
        const from = r.int(0, last - 1);
        const step = r.pick([1, 2]);
        const kept = Math.ceil((last - from) / step);
        push(`slice ${from} ${step}`, [...shape.slice(0, -1), kept], pool =>
          at(pool).slice(...shape.slice(1).map(() => null), [from, null, step]),
        );
        break;
      }
      case 9: {
        const rest = shape.slice(1).reduce((x, y) => x * y, 1);
        const flat = r.next() < 0.5;
        if (flat)
          push('flatten', [shape[0] as number, rest], pool => at(pool).reshape([at(pool).shape[0] as number, rest]));
        else push('reshape', [shape[0] as number, 1, rest], pool => at(pool).reshape([-1, 1, rest]));
        break;
      }
      case 10: {
        const repeats = r.int(1, 3);
        push(
          `concat ${repeats}`,
          [...shape.slice(0, -1), (shape.at(-1) as number) * repeats],
          pool =>
            concat(
              Array.from({ length: repeats }, () => at(pool)),
              { axis: -1 },
            ) as Tensor,
        );
        break;
      }
      case 11: {
        if (shape.length < 2) break;
        const name = r.pick(names(rowwise));
        push(name, shape, pool => rowwise[name]?.(at(pool), { axis: -1 }) as Tensor);
        break;
      }
      case 12: {
        if (shape.length !== 3) break;
        push(
          'matmul',
          [shape[0] as number, shape[1] as number, shape[1] as number],
          pool => matmul(at(pool), at(pool).swapAxes(1, 2)) as Tensor,
        );
        break;
      }
      case 13:
        push('parameter', shape, pool => at(pool).mul(outside.parameter.data()) as Tensor);
        break;
      case 14:
        push('buffer', shape, pool => at(pool).add(outside.buffer) as Tensor);
        break;
      case 15: {
        if (r.next() < 0.5) push('noise', shape, pool => at(pool).add(random.normal([...at(pool).shape])) as Tensor);
        else
          push(
            'ones',
            shape,
            pool => at(pool).add(ones([at(pool).shape[0] as number, ...shape.slice(1).map(() => 1)])) as Tensor,
          );
        break;
      }
      case 16:
        push('write', shape, pool => {
          outside.buffer.copyFrom(at(pool).mean().reshape([1]) as Tensor);
          return at(pool);
        });
        break;
      case 17: {
        const dtype = r.pick(['float64', 'int32', 'uint8'] as const);
        push(`cast ${dtype}`, shape, pool => at(pool).cast(dtype).mul(2).cast('float32') as Tensor);
        break;
      }
      case 18:
        push('strided', shape, pool => at(pool).mul(outside.strided.sum()) as Tensor);
        break;
      default: {
        if (shape.length < 2) break;
        const last = shape.at(-1) as number;
        const picks = Int32Array.from({ length: r.int(1, 4) }, () => r.int(0, last - 1));
        push(
          'take',
          [...shape.slice(0, -1), picks.length],
          pool => take(at(pool), tensor(picks), { axis: -1 }) as Tensor,
        );
      }
    }
  }
  const outputs = [shapes.length - 1, ...Array.from({ length: r.int(0, 2) }, () => r.int(0, shapes.length - 1))];
  return {
    input: [rows, columns],
    lines,
    outputs,
    text: `[batch, ${rows}, ${columns}]: ${lines.map(line => line.name).join(', ')}; out ${outputs.join(', ')}`,
  };
}

/** The program as a net, and what it captures. */
export function programNet(make: (outside: Outside) => Program): {
  net: nn.Block;
  call: (x: Tensor) => Tensor[];
  program: Program;
  outside: Outside;
} {
  const parameter = new nn.Parameter({ shape: [1], init: 'ones' });
  const outside = {
    parameter,
    buffer: tensor([0.25]),
    strided: tensor(values(6), { shape: [2, 3] }).transpose(),
  };
  const program = make(outside);
  class ProgramNet extends nn.Block {
    readonly held = parameter;
    forward(x: Tensor): Tensor[] {
      const pool = [x];
      for (const line of program.lines) pool.push(line.run(pool));
      return program.outputs.map(i => pool[i] as Tensor);
    }
  }
  const net = new ProgramNet();
  return { net: net as unknown as nn.Block, call: x => net(x), program, outside };
}

/** An input of a program, the same for the same batch and salt. */
export function programInput({ input }: Program, batch: number, salt: number): Tensor {
  const shape = [batch, ...input];
  const count = shape.reduce((a, b) => a * b, 1);
  return tensor(values(count, salt + batch), { shape });
}
