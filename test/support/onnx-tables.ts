import type { Init, Node, TensorData } from '../../lib/onnx/schema.js';
import { type Attributes, attributes, long, model, node } from './onnx-files.js';
import type { makeRandom } from './random.js';

type Random = ReturnType<typeof makeRandom>;

interface Value {
  readonly name: string;
  readonly shape: readonly number[];
  readonly isBool: boolean;
}

/** A random model of whole numbers: tables of constants and of shapes, and what is computed from its input x[n, 3, 4]. */
export class TableProgram {
  readonly lines: string[] = [];
  readonly #nodes: Init<Node>[] = [];
  readonly #initializers: Init<TensorData>[] = [];
  readonly #values: Value[] = [];
  /** Whether numbers beyond int32 occur: onnxruntime 1.30 has signs and extremes of these as if they were int32. */
  readonly #isFar: boolean;

  constructor(
    private readonly r: Random,
    count: number,
  ) {
    this.#isFar = r.int(0, 1) === 1;
    this.#add('Shape', ['x'], [3]);
    this.#add('Shape', ['x'], [2], { start: -2 });
    this.#add('Cast', [this.#add('Shape', ['x'], [3], {}, false)], [3], { to: 7 });
    if (r.int(0, 1) === 1) {
      const positive = this.#add('Greater', ['x', this.#scalar(0)], [], {}, true, 'bool');
      const flags = this.#add('ReduceMax', [this.#add('Cast', [positive], [], { to: 6 }, false)], [4], {
        axes: [0, 1],
        keepdims: 0,
      });
      this.#add('Cast', [flags], [4], { to: 7 });
      this.#values.splice(this.#values.length - 3, 2);
      this.#add('ReduceMax', [this.#add('ArgMax', ['x'], [], { axis: 2, keepdims: 0 }, false)], [3], {
        axes: [0],
        keepdims: 0,
      });
    }
    for (let i = 0; i < 2; i++) this.#constant(r.pick([[], [1], [3], [2, 1], [1, 3], [2, 3], [2, 1, 2]]));
    for (let tries = 0; this.lines.length < count + 6 && tries < 200; tries++) this.#step();
  }

  get text(): string {
    return this.lines.join('; ');
  }

  file(): Uint8Array {
    const last = this.#values.slice(-4);
    return model({
      input: [
        {
          name: 'x',
          type: {
            tensorType: { elemType: 1, shape: { dim: [{ dimParam: 'n' }, { dimValue: 3n }, { dimValue: 4n }] } },
          },
        },
      ],
      output: last.map((_, i) => ({ name: `y${i}` })),
      initializer: this.#initializers,
      node: [
        ...this.#nodes,
        ...last.map(({ name }, i) => node('Cast', [name], [`y${i}`], { attribute: attributes({ to: 11 }) })),
      ],
    });
  }

  #add(
    type: string,
    inputs: string[],
    shape: readonly number[],
    given: Attributes = {},
    kept = true,
    dtype: 'int64' | 'bool' = 'int64',
  ): string {
    const name = `v${this.#nodes.length}`;
    this.#nodes.push(node(type, inputs, [name], { attribute: attributes(given) }));
    this.lines.push(`${name} = ${type}(${inputs.join(', ')}) ${JSON.stringify(given)}`);
    if (kept) this.#values.push({ name, shape, isBool: dtype === 'bool' });
    return name;
  }

  #scalar(value: number): string {
    const name = `c${this.#initializers.length}`;
    this.#initializers.push({
      name,
      dims: [],
      dataType: 1,
      rawData: new Uint8Array(Float32Array.of(value).buffer),
    });
    return name;
  }

  #list(values: readonly number[], shape: readonly number[] = [values.length]): string {
    const name = `c${this.#initializers.length}`;
    this.#initializers.push({ name, dims: shape.map(BigInt), dataType: 7, rawData: long(...values) });
    this.lines.push(`${name} = ${JSON.stringify(values)} of [${shape.join(', ')}]`);
    return name;
  }

  #constant(shape: readonly number[]): void {
    const count = shape.reduce((a, b) => a * b, 1);
    const most = this.#isFar ? this.r.pick([5, 3_000_000_000]) : 5;
    const values = Array.from({ length: count }, () => this.r.int(-most, most));
    this.#values.push({ name: this.#list(values, shape), shape, isBool: false });
  }

  #pick(isBool = false): Value | undefined {
    const all = this.#values.filter(value => value.isBool === isBool);
    return all.length === 0 ? undefined : this.r.pick(all);
  }

  #step(): void {
    const { r } = this;
    const a = this.#pick() as Value;
    const rank = a.shape.length;
    const axis = rank === 0 ? 0 : r.int(-rank, rank - 1);
    const at = axis < 0 ? axis + rank : axis;
    const size = a.shape[at] as number;
    const kinds = ['two', 'two', 'one', 'compare', 'where', 'unsqueeze', 'reshape', 'cast'];
    if (rank > 0) kinds.push('transpose', 'slice', 'slice', 'concat', 'squeeze', 'gather', 'reduce', 'expand');
    switch (r.pick(kinds)) {
      case 'two':
      case 'compare': {
        const b = this.#pick() as Value;
        const shape = broadcast(a.shape, b.shape);
        if (shape === null) return;
        const isTruth = r.int(0, 3) === 0;
        const type = r.pick(
          isTruth ? ['Equal', 'Less', 'GreaterOrEqual'] : ['Add', 'Sub', ...(this.#isFar ? ['Mul'] : ['Max', 'Min'])],
        );
        this.#add(type, [a.name, b.name], shape, {}, true, isTruth ? 'bool' : 'int64');
        return;
      }
      case 'one':
        this.#add(r.pick(['Neg', 'Abs', this.#isFar ? 'Identity' : 'Sign']), [a.name], a.shape);
        return;
      case 'cast': {
        const flags = this.#pick(true);
        if (flags !== undefined) this.#add('Cast', [flags.name], flags.shape, { to: 7 });
        return;
      }
      case 'where': {
        const [flags, b] = [this.#pick(true), this.#pick() as Value];
        const both = broadcast(a.shape, b.shape);
        const shape = flags === undefined || both === null ? null : broadcast(flags.shape, both);
        if (flags !== undefined && shape !== null) this.#add('Where', [flags.name, a.name, b.name], shape);
        return;
      }
      case 'unsqueeze': {
        if (rank > 2) return;
        const place = r.int(-rank - 1, rank);
        const shape = [...a.shape];
        shape.splice(place < 0 ? place + rank + 1 : place, 0, 1);
        this.#add('Unsqueeze', [a.name, this.#list([place])], shape);
        return;
      }
      case 'reshape': {
        const count = a.shape.reduce((m, n) => m * n, 1);
        const isFlat = r.int(0, 1) === 0;
        const shape = isFlat ? [count] : [1, count];
        this.#add('Reshape', [a.name, this.#list(isFlat ? [-1] : [1, -1])], shape);
        return;
      }
      case 'transpose':
        this.#add('Transpose', [a.name], [...a.shape].reverse());
        return;
      case 'slice': {
        const [start, end, step] = [r.int(-5, 5), r.int(-5, 5), r.pick([1, 1, 2, -1, -2])];
        const count = sliceCount(size, start, end, step);
        if (count === 0) return;
        const lists = [[start], [end], [axis], [step]].map(list => this.#list(list));
        this.#add(
          'Slice',
          [a.name, ...lists],
          a.shape.map((n, d) => (d === at ? count : n)),
        );
        return;
      }
      case 'concat': {
        const b = r.pick(this.#values.filter(({ shape, isBool }) => !isBool && shape.length === rank));
        if (!b.shape.every((n, d) => d === at || n === a.shape[d])) return;
        const shape = a.shape.map((n, d) => (d === at ? n + (b.shape[d] as number) : n));
        this.#add('Concat', [a.name, b.name], shape, { axis });
        return;
      }
      case 'squeeze':
        if (size === 1)
          this.#add(
            'Squeeze',
            [a.name, this.#list([axis])],
            a.shape.filter((_, d) => d !== at),
          );
        return;
      case 'gather': {
        const places = r.pick([[], [1], [2], [2, 1]]);
        const indices = Array.from({ length: places.reduce((m, n) => m * n, 1) }, () => r.int(-size, size - 1));
        this.#add(
          'Gather',
          [a.name, this.#list(indices, places)],
          [...a.shape.slice(0, at), ...places, ...a.shape.slice(at + 1)],
          { axis },
        );
        return;
      }
      case 'reduce': {
        const keepdims = r.int(0, 1);
        const shape = a.shape.flatMap((n, d) => (d !== at ? [n] : keepdims === 1 ? [1] : []));
        const type = r.pick(this.#isFar ? ['ReduceSum'] : ['ReduceSum', 'ReduceMax', 'ReduceMin']);
        if (type === 'ReduceSum') this.#add(type, [a.name, this.#list([axis])], shape, { keepdims });
        else this.#add(type, [a.name], shape, { axes: [axis], keepdims });
        return;
      }
      case 'expand':
        this.#add('Expand', [a.name, this.#list([2, ...a.shape.map(() => 1)])], [2, ...a.shape]);
        if (rank > 2) this.#values.pop();
    }
  }
}

function broadcast(a: readonly number[], b: readonly number[]): number[] | null {
  const rank = Math.max(a.length, b.length);
  const sizes = Array.from({ length: rank }, (_, d) => [a[d - rank + a.length] ?? 1, b[d - rank + b.length] ?? 1]);
  if (sizes.some(([x, y]) => x !== y && x !== 1 && y !== 1)) return null;
  return sizes.map(([x, y]) => (x === 1 ? (y as number) : (x as number)));
}

/** How many elements a slice has: its bounds count from the end where they are negative, and are held to the axis. */
function sliceCount(size: number, start: number, end: number, step: number): number {
  let count = 0;
  const from = start < 0 ? start + size : start;
  const to = end < 0 ? end + size : end;
  if (step > 0) for (let i = Math.min(Math.max(from, 0), size); i < Math.min(to, size); i += step) count++;
  else for (let i = Math.max(0, Math.min(from, size - 1)); i > Math.max(to, -1); i += step) count++;
  return count;
}
