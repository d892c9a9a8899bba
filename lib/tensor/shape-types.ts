import type { DType } from './dtype.js';
import type { Tensor } from './tensor.js';

/*
 * Shapes computed by the compiler. Gradual throughout: an unknown size is `number`, an unknown rank is `Shape`, and both
 * fit everything, so that only sizes known on both sides are ever compared.
 */

/** The size of each dimension; a tuple where the compiler knows them. */
export type Shape = readonly number[];
/** A type nothing is assignable to; its name and argument are what the user reads in the error. */
declare const err: unique symbol;
export interface ShapeError<Message extends string> { readonly [err]: Message }

// ---------- helpers
export type IsAny<T> = 0 extends 1 & T ? true : false;
export type Join<S extends Shape, A extends string = ''> =
  S extends readonly [infer H extends number, ...infer T extends Shape]
    ? Join<T, `${A}${A extends '' ? '' : ','}${number extends H ? '?' : H}`> : number extends S['length'] ? `[...${A}]` : `[${A}]`;
/** Gradual view: unknown dims and ranks become `any`, so they are consistent with every size. */
export type Loose<S extends Shape> = number extends S['length'] ? any
  : { [I in keyof S]: number extends S[I] ? any : S[I] };
/** true unless both are literals and differ */
export type Fits<A extends number, B extends number> =
  number extends A ? true : number extends B ? true : [A] extends [B] ? true : false;

// ---------- broadcasting
type BDim<A extends number, B extends number> =
  number extends A ? (number extends B ? number : B extends 1 ? number : B)
  : number extends B ? (A extends 1 ? number : A)
  : A extends 1 ? B : B extends 1 ? A : [A] extends [B] ? A : never;
type Bc<A extends Shape, B extends Shape, R extends number[] = []> =
  A extends readonly [...infer A0 extends Shape, infer a extends number]
    ? B extends readonly [...infer B0 extends Shape, infer b extends number]
      ? [BDim<a, b>] extends [never] ? never : Bc<A0, B0, [BDim<a, b>, ...R]>
      : [...A, ...R]
    : [...B, ...R];
export type Broadcast<A extends Shape, B extends Shape> =
  [B] extends [readonly []] ? A : A extends B ? B extends A ? A : BcU<A, B> : BcU<A, B>;
type BcU<A extends Shape, B extends Shape> =
  number extends A['length'] ? Shape : number extends B['length'] ? Shape : Bc<A, B>;
export type BcCheck<Op extends string, A extends Shape, B extends Shape> =
  [Broadcast<A, B>] extends [never]
    ? ShapeError<`${Op}: ${Join<A>} and ${Join<B>} do not broadcast`> : unknown;

// ---------- matmul
export type MM<A extends Shape, B extends Shape> =
  number extends A['length'] ? Shape : number extends B['length'] ? Shape
  : A extends readonly [infer K extends number] ? MMRow<K, B>
  : A extends readonly [...infer P extends Shape, infer M extends number, infer K extends number]
    ? B extends readonly [infer K2 extends number] ? (Fits<K, K2> extends true ? [...P, M] : never)
    : B extends readonly [...infer Q extends Shape, infer K2 extends number, infer N extends number]
      ? Fits<K, K2> extends true ? ([Broadcast<P, Q>] extends [never] ? never : [...Broadcast<P, Q>, M, N]) : never
      : never
    : never;
/** One dimension on the left: a row, whose dimension goes from the result. */
type MMRow<K extends number, B extends Shape> =
  B extends readonly [infer K2 extends number] ? (Fits<K, K2> extends true ? [] : never)
  : B extends readonly [...infer Q extends Shape, infer K2 extends number, infer N extends number] ? (Fits<K, K2> extends true ? [...Q, N] : never)
  : never;
export type MMCheck<A extends Shape, B extends Shape> =
  [MM<A, B>] extends [never] ? ShapeError<`matmul: ${Join<A>} x ${Join<B>}${MMWhy<A, B>}`> : unknown;
type MMWhy<A extends Shape, B extends Shape> =
  [A, B] extends [readonly [...Shape, infer K extends number], readonly [infer K2 extends number]]
    ? Fits<K, K2> extends false ? `: inner sizes ${K} and ${K2} differ` : ': no scalars'
  : [A, B] extends [readonly [...Shape, infer K extends number], readonly [...Shape, infer K2 extends number, number]]
    ? Fits<K, K2> extends false ? `: inner sizes ${K} and ${K2} differ` : ': batch sizes do not broadcast'
    : ': no scalars';

// ---------- axes
export type Rev<S extends Shape, R extends number[] = []> =
  S extends readonly [infer H extends number, ...infer T extends Shape] ? Rev<T, [H, ...R]> : R;
/** index of a possibly negative axis, as the string of a tuple index; never when out of range */
type Ax<S extends Shape, A extends number> =
  `${A}` extends `-${infer P extends number}` ? FromEnd<S, P> : `${A}` extends keyof S ? `${A}` : never;
type FromEnd<S extends Shape, P extends number, C extends 0[] = [0]> =
  S extends readonly [...infer T extends Shape, number]
    ? C['length'] extends P ? `${T['length']}` : FromEnd<T, P, [...C, 0]> : never;
export type Axes = number | readonly number[];
type AxList<X extends Axes> = X extends readonly number[] ? X : [X];
type AxSet<S extends Shape, X> = X extends readonly [infer H extends number, ...infer T] ? Ax<S, H> | AxSet<S, T> : never;
/** replaces (V a number) or removes (V never) the axes in the set I */
type Put<S extends Shape, I, V extends number, R extends number[] = [], C extends 0[] = []> =
  S extends readonly [infer H extends number, ...infer T extends Shape]
    ? Put<T, I, V, `${C['length']}` extends I ? ([V] extends [never] ? R : [...R, V]) : [...R, H], [...C, 0]> : R;
type OpenAx<S extends Shape, X extends Axes> = number extends S['length'] ? true
  : X extends readonly number[] ? (number extends X['length'] ? true : number extends X[number] ? true : false) : number extends X ? true : false;
export type Reduce<S extends Shape, X extends Axes | undefined, K extends boolean> =
  boolean extends K ? Shape
  : [X] extends [undefined] ? (K extends true ? (number extends S['length'] ? Shape : { -readonly [I in keyof S]: 1 }) : [])
  : X extends Axes ? OpenAx<S, X> extends true ? Shape : Put<S, AxSet<S, AxList<X>>, K extends true ? 1 : never> : Shape;
type AxBad<S extends Shape, X> = X extends readonly [infer H extends number, ...infer T] ? ([Ax<S, H>] extends [never] ? H : AxBad<S, T>) : never;
export type AxCheck<S extends Shape, X> =
  X extends Axes ? OpenAx<S, X> extends true ? unknown
  : [AxBad<S, AxList<X>>] extends [never] ? unknown : ShapeError<`axis ${AxBad<S, AxList<X>>} is out of range for ${Join<S>}`> : unknown;
export type Perm<S extends Shape, P extends Shape> =
  number extends S['length'] ? Shape : number extends P['length'] ? Shape
  : { -readonly [I in keyof P]: `${P[I]}` extends keyof S ? S[`${P[I]}`] extends number ? S[`${P[I]}`] : number : number };
export type PermCheck<S extends Shape, P extends Shape> =
  number extends S['length'] ? unknown : number extends P['length'] ? unknown : number extends P[number] ? unknown
  : P['length'] extends S['length'] ? ([Exclude<keyof S & `${number}`, `${P[number]}`>] extends [never] ? unknown : PermErr<S, P>) : PermErr<S, P>;
type PermErr<S extends Shape, P extends Shape> = ShapeError<`transpose: ${Join<P>} does not permute the axes of ${Join<S>}`>;
/** concat: ranks and all sizes but the one at the axis must fit */
type CatFit<A extends Shape, B extends Shape, X extends string> =
  number extends A['length'] ? true : number extends B['length'] ? true
  : A['length'] extends B['length']
    ? false extends { [I in keyof A]: I extends X ? true : I extends keyof B ? B[I] extends number ? A[I] extends number ? Fits<A[I], B[I]> : true : true : true }[number] ? false : true
    : false;
export type CatCheck<L extends readonly unknown[], X extends number> =
  { [I in keyof L]: CatFit<Sh<L[0]>, Sh<L[I]>, AxOr<Sh<L[0]>, X>> extends false ? ShapeError<`concat on axis ${X}: ${Join<Sh<L[0]>>} and ${Join<Sh<L[I]>>} differ in another axis`> : unknown };
type AxOr<S extends Shape, X extends number> = number extends X ? string : Ax<S, X>;
export type Cat<L extends readonly unknown[], X extends number> =
  number extends L['length'] ? Shape : number extends Sh<L[0]>['length'] ? Shape
  : number extends X ? Blur<Sh<L[0]>> : Put<Sh<L[0]>, Ax<Sh<L[0]>, X>, number>;
export type Blur<S extends Shape> = { -readonly [I in keyof S]: number };

// ---------- reshape: products compared mod 9, 10 and 11 (never a false alarm, misses ~1 in 990)
type D9 = [0, 1, 2, 3, 4, 5, 6, 7, 8, 0];
type Mul9 = [[0,0,0,0,0,0,0,0,0],[0,1,2,3,4,5,6,7,8],[0,2,4,6,8,1,3,5,7],[0,3,6,0,3,6,0,3,6],[0,4,8,3,7,2,6,1,5],[0,5,1,6,2,7,3,8,4],[0,6,3,0,6,3,0,6,3],[0,7,5,3,1,8,6,4,2],[0,8,7,6,5,4,3,2,1]];
type Add9 = [[0,1,2,3,4,5,6,7,8],[1,2,3,4,5,6,7,8,0],[2,3,4,5,6,7,8,0,1],[3,4,5,6,7,8,0,1,2],[4,5,6,7,8,0,1,2,3],[5,6,7,8,0,1,2,3,4],[6,7,8,0,1,2,3,4,5],[7,8,0,1,2,3,4,5,6],[8,0,1,2,3,4,5,6,7]];
type Mul10 = [[0,0,0,0,0,0,0,0,0,0],[0,1,2,3,4,5,6,7,8,9],[0,2,4,6,8,0,2,4,6,8],[0,3,6,9,2,5,8,1,4,7],[0,4,8,2,6,0,4,8,2,6],[0,5,0,5,0,5,0,5,0,5],[0,6,2,8,4,0,6,2,8,4],[0,7,4,1,8,5,2,9,6,3],[0,8,6,4,2,0,8,6,4,2],[0,9,8,7,6,5,4,3,2,1]];
type Mul11 = [[0,0,0,0,0,0,0,0,0,0,0],[0,1,2,3,4,5,6,7,8,9,10],[0,2,4,6,8,10,1,3,5,7,9],[0,3,6,9,1,4,7,10,2,5,8],[0,4,8,1,5,9,2,6,10,3,7],[0,5,10,4,9,3,8,2,7,1,6],[0,6,1,7,2,8,3,9,4,10,5],[0,7,3,10,6,2,9,5,1,8,4],[0,8,5,2,10,7,4,1,9,6,3],[0,9,7,5,3,1,10,8,6,4,2],[0,10,9,8,7,6,5,4,3,2,1]];
type Hor11 = [[0,1,2,3,4,5,6,7,8,9],[10,0,1,2,3,4,5,6,7,8],[9,10,0,1,2,3,4,5,6,7],[8,9,10,0,1,2,3,4,5,6],[7,8,9,10,0,1,2,3,4,5],[6,7,8,9,10,0,1,2,3,4],[5,6,7,8,9,10,0,1,2,3],[4,5,6,7,8,9,10,0,1,2],[3,4,5,6,7,8,9,10,0,1],[2,3,4,5,6,7,8,9,10,0],[1,2,3,4,5,6,7,8,9,10]];
type At<T, I extends number, J extends number> =
  `${I}` extends keyof T ? `${J}` extends keyof T[`${I}`] ? T[`${I}`][`${J}`] extends infer N extends number ? N : never : never : never;
type M9<N extends string, R extends number = 0> = N extends `${infer d extends number}${infer T}` ? M9<T, At<Add9, R, `${d}` extends keyof D9 ? D9[`${d}`] & number : 0>> : R;
type M11<N extends string, R extends number = 0> = N extends `${infer d extends number}${infer T}` ? M11<T, At<Hor11, R, d>> : R;
type M10<N extends string, R extends number = 0> = N extends `${infer d extends number}${infer T}` ? M10<T, d> : R;
export type Prod<S extends Shape, A extends number = 1, B extends number = 1, C extends number = 1> =
  S extends readonly [infer H extends number, ...infer T extends Shape]
    ? Prod<T, At<Mul9, A, M9<`${H}`>>, At<Mul10, B, M10<`${H}`>>, At<Mul11, C, M11<`${H}`>>> : [A, B, C];
export type Open<S extends Shape> = number extends S['length'] ? true : number extends S[number] ? true : -1 extends S[number] ? true : false;
export type ReshapeCheck<A extends Shape, B extends Shape> =
  Open<A> extends true ? unknown : Open<B> extends true ? unknown
  : Prod<A> extends Prod<B> ? unknown : ShapeError<`reshape: ${Join<A>} and ${Join<B>} hold different numbers of elements`>;
export type Unminus<S extends Shape> = { -readonly [I in keyof S]: S[I] extends -1 ? number : S[I] };


// ---------- reading a tensor's type
export type Sh<T> = T extends Tensor<infer S, any> ? S : T extends number ? [] : Shape;
export type Dt<T> = T extends Tensor<any, infer D> ? D : DType;
/** The dtype of functions of real numbers: floats stay, anything else becomes float32. */
export type Real<D> = DType extends D ? DType : D extends 'float64' ? D : 'float32';
/** The dtype of sums and products: small integers are summed as int32. */
export type Gathered<D> = DType extends D ? DType : D extends 'bool' | 'uint8' ? 'int32' : D;
/** The dtype of arithmetic: bool counts as int32. */
export type Counted<D> = DType extends D ? DType : D extends 'bool' ? 'int32' : D;
type Wider = { bool: DType; uint8: 'uint8' | 'int32' | 'float32' | 'float64'; int32: 'int32' | 'float32' | 'float64'; float32: 'float32' | 'float64'; float64: 'float64' };
type Promoted<A, B> = DType extends A ? DType : DType extends B ? DType : A extends keyof Wider ? B extends Wider[A] ? B : A : DType;
/** The dtype of two operands: the wider one. A number leaves floats as they are; of integers it may make floats. */
export type Dt2<T, U> = U extends number ? Dt<T> extends 'float32' | 'float64' ? Dt<T> : DType : Promoted<Dt<T>, Dt<U>>;
export type Bin<Op extends string, T, U> = U & BcCheck<Op, Sh<T>, Sh<U>>;
export type BinOut<T, U> = Tensor<Broadcast<Sh<T>, Sh<U>>, Counted<Dt2<T, U>>>;
export type DivOut<T, U> = Tensor<Broadcast<Sh<T>, Sh<U>>, Real<U extends number ? Dt<T> : Dt2<T, U>>>;
export interface ReduceOptions<T, X extends Axes | undefined, K extends boolean> {
  /** The axis or axes to reduce; all by default. */
  axis?: X & AxCheck<Sh<T>, X>;
  /** Keeps reduced axes with size 1. */
  keepdims?: K;
}
export interface AxisOption<T, X extends number | undefined> {
  axis?: X & AxCheck<Sh<T>, X>;
}
export type Unm<S extends Shape> = number extends S['length'] ? Shape : Unminus<S>;
export type Mut<S extends Shape> = number extends S['length'] ? S : { -readonly [I in keyof S]: S[I] };
export type TransposeOut<S extends Shape, P extends Shape> = [P] extends [readonly []]
  ? number extends S['length']
    ? Shape
    : Rev<S>
  : Perm<S, P>;

// ---------- what a tensor is made of
/** Numbers or booleans, nested to any depth, all of a level equally long. */
export type NestedArray = number | boolean | readonly NestedArray[];
export type DataShape<N> =
  IsAny<N> extends true ? Shape : NestedArray extends N ? Shape : [N] extends [never] ? []
  : N extends number | boolean ? [] : N extends ArrayBufferView ? [number]
  : N extends readonly (infer E)[] ? DataShape<E> extends infer T extends Shape ? (number extends T['length'] ? Shape : [number, ...T]) : Shape : Shape;
export type TypedArrayDType<A> =
  A extends Float32Array ? 'float32' : A extends Float64Array ? 'float64' : A extends Int32Array ? 'int32' : A extends Uint8Array ? 'uint8' : DType;
type Leaf<N> = NestedArray extends N ? N : N extends readonly (infer E)[] ? Leaf<E> : N;
export type DataDType<N> =
  IsAny<N> extends true ? DType : N extends ArrayBufferView ? TypedArrayDType<N>
  : [Leaf<N>] extends [never] ? 'float32' : [Leaf<N>] extends [number] ? 'float32' : [Leaf<N>] extends [boolean] ? 'bool' : DType;
