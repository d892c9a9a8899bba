import * as latent from '../../lib/index.js';
import { nn, random, type Tensor, tensor } from '../../lib/index.js';
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
const binary = ['add', 'sub', 'mul', 'maximum', 'minimum'] as const;
const compare = ['less', 'greaterEqual', 'equal'] as const;
const reduce = ['sum', 'mean', 'max', 'min'] as const;

/** A program of up to `count` operations on x[batch, rows, columns]; its batch stays the first axis of most of them. */
export function makeProgram(r: Random, count: number, outside: Outside): Program {
  const [rows, columns] = [r.int(1, 4), r.int(1, 6)];
  const batch = 3;
  // Shapes at batch 3 and 5 tell which axes hang on it.
  const shapes: number[][] = [[batch, rows, columns]];
  const dtypes: string[] = ['float32'];
  const lines: Line[] = [];
  const add = (name: string, shape: number[], dtype: string, run: Line['run']): void => {
    lines.push({ name, run });
    shapes.push(shape);
    dtypes.push(dtype);
  };
  const floats = (): number[] => dtypes.flatMap((d, i) => (d === 'float32' ? [i] : []));
  for (let i = 0; i < count; i++) {
    // What was made last more often than what was made first, so that programs are deep.
    const all = floats();
    const a = all[Math.max(0, all.length - 1 - r.int(0, 3))] as number;
    const shape = shapes[a] as number[];
    const at = (pool: readonly Tensor[]): Tensor => pool[a] as Tensor;
    const like = all.filter(j => String(shapes[j]) === String(shape));
    const b = r.pick(like);
    switch (r.int(0, 19)) {
      case 0:
      case 1: {
        const name = r.pick(unary);
        add(name, shape, 'float32', pool => at(pool)[name]() as Tensor);
        break;
      }
      case 2:
      case 3: {
        const name = r.pick(binary);
        add(name, shape, 'float32', pool => latent[name](at(pool), pool[b] as Tensor) as Tensor);
        break;
      }
      case 4: {
        const [name, number] = [r.pick(binary), r.next() * 2 - 1];
        add(`${name} ${number.toFixed(2)}`, shape, 'float32', pool => latent[name](at(pool), number) as Tensor);
        break;
      }
      case 5: {
        const name = r.pick(compare);
        add(
          `where ${name}`,
          shape,
          'float32',
          pool =>
            latent.where(latent[name](at(pool), pool[b] as Tensor) as Tensor, at(pool), pool[b] as Tensor) as Tensor,
        );
        break;
      }
      case 6: {
        if (shape.length < 2) break;
        const axis = r.int(1, shape.length - 1);
        const name = r.pick(reduce);
        add(
          `${name} ${axis}`,
          shape.map((n, d) => (d === axis ? 1 : n)),
          'float32',
          pool => at(pool)[name]({ axis, keepdims: true }) as Tensor,
        );
        break;
      }
      case 7: {
        if (shape.length !== 3) break;
        add('swap', [shape[0] as number, shape[2] as number, shape[1] as number], 'float32', pool =>
          at(pool).swapAxes(1, 2),
        );
        break;
      }
      case 8: {
        if (shape.length < 2) break;
        const last = shape.at(-1) as number;
        const from = r.int(0, last - 1);
        const step = r.pick([1, 2]);
        const kept = Math.ceil((last - from) / step);
        add(`slice ${from} ${step}`, [...shape.slice(0, -1), kept], 'float32', pool =>
          at(pool).slice(...shape.slice(1).map(() => null), [from, null, step]),
        );
        break;
      }
      case 9: {
        const rest = shape.slice(1).reduce((x, y) => x * y, 1);
        const flat = r.next() < 0.5;
        if (flat)
          add('flatten', [shape[0] as number, rest], 'float32', pool =>
            at(pool).reshape([at(pool).shape[0] as number, rest]),
          );
        else add('reshape', [shape[0] as number, 1, rest], 'float32', pool => at(pool).reshape([-1, 1, rest]));
        break;
      }
      case 10: {
        const repeats = r.int(1, 3);
        add(
          `concat ${repeats}`,
          [...shape.slice(0, -1), (shape.at(-1) as number) * repeats],
          'float32',
          pool =>
            latent.concat(
              Array.from({ length: repeats }, () => at(pool)),
              { axis: -1 },
            ) as Tensor,
        );
        break;
      }
      case 11: {
        if (shape.length < 2) break;
        const name = r.pick(['softmax', 'logSoftmax', 'cumsum', 'flip'] as const);
        add(name, shape, 'float32', pool => latent[name](at(pool), { axis: -1 } as never) as Tensor);
        break;
      }
      case 12: {
        if (shape.length !== 3) break;
        add(
          'matmul',
          [shape[0] as number, shape[1] as number, shape[1] as number],
          'float32',
          pool => latent.matmul(at(pool), at(pool).swapAxes(1, 2)) as Tensor,
        );
        break;
      }
      case 13:
        add('parameter', shape, 'float32', pool => at(pool).mul(outside.parameter.data()) as Tensor);
        break;
      case 14:
        add('buffer', shape, 'float32', pool => at(pool).add(outside.buffer) as Tensor);
        break;
      case 15: {
        if (r.next() < 0.5)
          add('noise', shape, 'float32', pool => at(pool).add(random.normal([...at(pool).shape])) as Tensor);
        else
          add(
            'ones',
            shape,
            'float32',
            pool => at(pool).add(latent.ones([at(pool).shape[0] as number, ...shape.slice(1).map(() => 1)])) as Tensor,
          );
        break;
      }
      case 16:
        add('write', shape, 'float32', pool => {
          outside.buffer.copyFrom(at(pool).mean().reshape([1]) as Tensor);
          return at(pool);
        });
        break;
      case 17: {
        const dtype = r.pick(['float64', 'int32', 'uint8'] as const);
        add(`cast ${dtype}`, shape, 'float32', pool => at(pool).cast(dtype).mul(2).cast('float32') as Tensor);
        break;
      }
      case 18:
        add('strided', shape, 'float32', pool => at(pool).mul(outside.strided.sum()) as Tensor);
        break;
      default: {
        if (shape.length < 2) break;
        const last = shape.at(-1) as number;
        const picks = Int32Array.from({ length: r.int(1, 4) }, () => r.int(0, last - 1));
        add(
          'take',
          [...shape.slice(0, -1), picks.length],
          'float32',
          pool => latent.take(at(pool), tensor(picks), { axis: -1 }) as Tensor,
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
export function programNet(make: (outside: Outside) => Program): { net: nn.Block; program: Program; outside: Outside } {
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
  return { net: new ProgramNet(), program, outside };
}
