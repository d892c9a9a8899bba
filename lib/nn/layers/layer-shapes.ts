import type { Fits, Join, Shape } from '../../tensor/shape-types.js';
import type { AsShape, ShapeFn } from '../block/shape-functions.js';

/** Shape functions of the layers over channels, sequences and tables. */

type Named<
  Name extends string,
  Size extends number,
  Option extends string,
  I extends number,
> = `${Name}(${Size}${number extends I ? '' : `, { ${Option}: ${I} }`})`;

// ---------- channels and what comes after them
export type Spatial = 1 | 2;
type Behind<D extends Spatial> = D extends 1 ? [number] : [number, number];
type RankOf<D extends Spatial> = D extends 1 ? 3 : 4;
type Batch<S extends Shape> = S extends readonly [infer N extends number, ...Shape] ? N : number;
type RankBad<S extends Shape, Name extends string, D extends Spatial> = number extends S['length']
  ? never
  : S['length'] extends RankOf<D>
    ? never
    : `${Name} needs rank ${RankOf<D>}, got ${Join<S>}`;

export type ConvOut<S extends Shape, U extends number, D extends Spatial> = [Batch<S>, U, ...Behind<D>];
type ConvBad<S extends Shape, Name extends string, U extends number, I extends number, D extends Spatial> = [
  RankBad<S, Named<Name, U, 'inChannels', I>, D>,
] extends [never]
  ? S extends readonly [number, infer C extends number, ...Shape]
    ? Fits<C, I> extends true
      ? never
      : `${Named<Name, U, 'inChannels', I>} needs ${I} channels, got ${C}`
    : never
  : RankBad<S, Named<Name, U, 'inChannels', I>, D>;
export interface ConvFn<Name extends string, U extends number, I extends number, D extends Spatial> extends ShapeFn {
  out: ConvOut<AsShape<this['in']>, U, D>;
  bad: ConvBad<AsShape<this['in']>, Name, U, I, D>;
}

type Channels<S extends Shape> = S extends readonly [number, infer C extends number, ...Shape] ? C : number;
export type PoolOut<S extends Shape, D extends Spatial> = [Batch<S>, Channels<S>, ...Behind<D>];
export interface PoolFn<Name extends string, D extends Spatial> extends ShapeFn {
  out: PoolOut<AsShape<this['in']>, D>;
  bad: RankBad<AsShape<this['in']>, `${Name}()`, D>;
}

export type GlobalPoolOut<S extends Shape, D extends Spatial> = [
  Batch<S>,
  Channels<S>,
  ...(D extends 1 ? [1] : [1, 1]),
];
export interface GlobalPoolFn<Name extends string, D extends Spatial> extends ShapeFn {
  out: GlobalPoolOut<AsShape<this['in']>, D>;
  bad: RankBad<AsShape<this['in']>, `${Name}()`, D>;
}

// ---------- sequences
export type RecurrentOut<S extends Shape, H extends number, B extends boolean> = S extends readonly [
  infer N extends number,
  infer M extends number,
  number,
]
  ? [N, M, B extends false ? H : number]
  : [number, number, B extends false ? H : number];
type RecurrentBad<S extends Shape, Name extends string, H extends number, I extends number> = number extends S['length']
  ? never
  : S extends readonly [number, number, infer L extends number]
    ? Fits<L, I> extends true
      ? never
      : `${Named<Name, H, 'inputSize', I>} needs last size ${I}, got ${L}`
    : `${Named<Name, H, 'inputSize', I>} needs rank 3, got ${Join<S>}`;
export interface RecurrentFn<Name extends string, H extends number, B extends boolean, I extends number>
  extends ShapeFn {
  out: RecurrentOut<AsShape<this['in']>, H, B>;
  bad: RecurrentBad<AsShape<this['in']>, Name, H, I>;
}

/** A layer over places, which keeps the shape. */
export interface PlacesFn<Name extends string> extends ShapeFn {
  out: AsShape<this['in']>;
  bad: number extends AsShape<this['in']>['length']
    ? never
    : AsShape<this['in']>['length'] extends 3
      ? never
      : `${Name} needs rank 3, got ${Join<AsShape<this['in']>>}`;
}

// ---------- tables
export type TableOut<S extends Shape, U extends number> = number extends S['length'] ? Shape : [...S, U];
export interface TableFn<U extends number> extends ShapeFn {
  out: TableOut<AsShape<this['in']>, U>;
  bad: never;
  recasts: true;
}
