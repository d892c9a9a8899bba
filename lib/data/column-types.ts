import type { AnyTypedArray } from '../tensor/dtype.js';
import type { Dt, IsAny, Sh, Shape, TypedArrayDType } from '../tensor/shape-types.js';
import type { Tensor } from '../tensor/tensor.js';
import type { Column } from './column.js';

/** The type of ArrayDataset's samples for the types of its columns; `any` where the compiler can't know it. */

/** A shape whose first size is that of a batch. */
type Batched<S extends Shape> = number extends S['length']
  ? Shape
  : S extends readonly [number, ...infer T extends Shape]
    ? [number, ...T]
    : Shape;

/** The shape after a batch's size. */
type Stacked<S extends Shape> = number extends S['length'] ? Shape : [number, ...S];

type SliceOf<T extends Tensor> = Tensor<
  number extends Sh<T>['length'] ? Shape : Sh<T> extends readonly [number, ...infer R extends Shape] ? R : Shape,
  Dt<T>
>;

/** The type of the elements of nested arrays, and their sizes as far as types tell. */
type Leaf<E> = IsAny<E> extends true ? any : E extends readonly (infer I)[] ? Leaf<I> : E;
type Sizes<E> = E extends readonly (infer I)[] ? [E['length'], ...Sizes<I>] : [];

type RowsOf<E> =
  IsAny<Leaf<E>> extends true
    ? any
    : [Leaf<E>] extends [never]
      ? any
      : [Leaf<E>] extends [boolean]
        ? Tensor<[number, ...Sizes<E>], 'bool'>
        : [Leaf<E>] extends [number]
          ? Tensor<[number, ...Sizes<E>], 'float32'>
          : [Leaf<E>] extends [number | boolean]
            ? Tensor<[number, ...Sizes<E>]>
            : [Leaf<E>] extends [AnyTypedArray]
              ? Tensor<[number, ...Sizes<E>, number], TypedArrayDType<Leaf<E> & AnyTypedArray>>
              : // Stacked or not is for the values to say where a type has both numbers and other things.
                [Extract<Leaf<E>, number | boolean | AnyTypedArray>] extends [never]
                ? unknown extends E
                  ? any
                  : E[]
                : any;

type ElementsOf<E> =
  IsAny<E> extends true
    ? any
    : [E] extends [never]
      ? any
      : [E] extends [Tensor]
        ? Tensor<Stacked<Sh<E>>, Dt<E>>
        : [Extract<E, Tensor>] extends [never]
          ? RowsOf<E>
          : any;

type BatchOfColumn<C> = C extends Tensor
  ? Tensor<Batched<Sh<C>>, Dt<C>>
  : C extends AnyTypedArray
    ? Tensor<[number], TypedArrayDType<C>>
    : C extends readonly (infer E)[]
      ? ElementsOf<E>
      : any;

type SampleOfColumn<C> = C extends Tensor
  ? SliceOf<C>
  : C extends AnyTypedArray
    ? number
    : C extends readonly (infer E)[]
      ? E
      : any;

/** One entry for each column, or the entry itself when there is one column. */
type Entries<L extends readonly unknown[]> = number extends L['length'] ? any : L['length'] extends 1 ? L[0] : L;

/** A batch of a dataset with these columns. */
export type BatchOf<Columns extends readonly Column[]> = Entries<{
  -readonly [I in keyof Columns]: BatchOfColumn<Columns[I]>;
}>;

/** A sample of a dataset with these columns. */
export type SampleOf<Columns extends readonly Column[]> = Entries<{
  -readonly [I in keyof Columns]: SampleOfColumn<Columns[I]>;
}>;
