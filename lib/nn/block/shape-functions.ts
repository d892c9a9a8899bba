import type { Shape, ShapeError, Sh, Fits, IsAny, Join, Open, Prod } from '../../tensor/shape-types.js';
import type { DType } from '../../tensor/dtype.js';
import type { Tensor } from '../../tensor/tensor.js';
import type { Block } from './block.js';


/**
 * Compile-time shapes of blocks: each layer carries a shape function, and Sequential folds it over its layers, so
 * that neighbours that don't fit fail to compile before there is any input.
 */
export declare const fn: unique symbol;

// ---------- shape functions
/** A shape function: `out` computed from `in`; `bad` is a message or never; `recasts` where the dtype isn't the input's. */
export interface ShapeFn { in: unknown; out: unknown; bad: unknown; recasts?: unknown }
export type AsShape<T> = T extends Shape ? T : Shape;
type AsText<T> = T extends string ? T : never;
export type Apply<F extends ShapeFn, S extends Shape> = AsShape<(F & { in: S })['out']>;
export type Bad<F extends ShapeFn, S extends Shape> = AsText<(F & { in: S })['bad']>;
export type LayerCheck<F extends ShapeFn, S extends Shape> = [Bad<F, S>] extends [never] ? unknown : ShapeError<Bad<F, S>>;


// ---------- Dense
type Tail<S extends Shape> = S extends readonly [number, ...infer T extends Shape] ? T : [];
export type DenseOut<S extends Shape, U extends number, F extends boolean> =
  boolean extends F ? [...number[], U]
  : F extends true ? (S extends readonly [infer N extends number, ...Shape] ? [N, U] : [number, U])
  : number extends S['length'] ? [...number[], U]
  : S extends readonly [...infer P extends Shape, number] ? [...P, U] : never;
type DenseName<U extends number, I extends number> = `Dense(${U}${number extends I ? '' : `, { inUnits: ${I} }`})`;
type DenseBad<S extends Shape, U extends number, I extends number, F extends boolean> =
  boolean extends F ? never
  : F extends true
    ? number extends S['length'] ? never
    : S extends readonly [] | readonly [number] ? `${DenseName<U, I>} needs rank 2 or more (the first axis is the batch), got ${Join<S>}`
    : S extends readonly [number, infer L extends number] ? (Fits<L, I> extends true ? never : `${DenseName<U, I>} needs ${I} features, got ${L}`)
    : number extends I ? never : Open<Tail<S>> extends true ? never
    : Prod<Tail<S>> extends Prod<[I]> ? never : `${DenseName<U, I>} needs ${I} features, got ${Join<S>}`
  : S extends readonly [...Shape, infer L extends number]
    ? Fits<L, I> extends true ? never : `${DenseName<U, I>} needs last size ${I}, got ${L}`
    : S extends readonly [] ? `${DenseName<U, I>} needs rank 1 or more, got a scalar` : never;
export interface DenseFn<U extends number, I extends number, F extends boolean> extends ShapeFn {
  out: DenseOut<AsShape<this['in']>, U, F>; bad: DenseBad<AsShape<this['in']>, U, I, F>;
}

// ---------- layers that keep the shape
export interface SameFn extends ShapeFn { out: AsShape<this['in']>; bad: never }

// ---------- Flatten
export type FlatOut<S extends Shape> = S extends readonly [number, number] ? S : S extends readonly [infer N extends number, ...Shape] ? [N, number] : [number, number];
export interface FlatFn extends ShapeFn { out: FlatOut<AsShape<this['in']>>; bad: never }

// ---------- Sequential
export interface AnyFn extends ShapeFn { out: Shape; bad: never }
type FnOf<L> = L extends { readonly [fn]?: infer F } ? (IsAny<F> extends true ? AnyFn : NonNullable<F> extends ShapeFn ? NonNullable<F> : FwdFn<L>) : FwdFn<L>;
/** a user's block has no shape function: what its `forward` takes and returns */
type FwdFn<L> = L extends { forward(x: infer X, ...rest: any[]): infer R } ? IsAny<R> extends true ? AnyFn : ConstFn<X, Sh<R>> : AnyFn;
export interface ConstFn<X, S extends Shape> extends ShapeFn { out: S; bad: Tensor<AsShape<this['in']>, any> extends X ? never : `block takes ${Join<Sh<X>>}, got ${Join<AsShape<this['in']>>}` }
type Chain<L extends readonly unknown[], S extends Shape> =
  number extends L['length'] ? Shape
  : L extends readonly [infer H, ...infer T]
    ? Apply<FnOf<H>, S> extends infer N extends Shape ? Chain<T, N> : never : S;
type ChainBad<L extends readonly unknown[], S extends Shape> =
  L extends readonly [infer H, ...infer T]
    ? [Bad<FnOf<H>, S>] extends [never]
      ? Apply<FnOf<H>, S> extends infer N extends Shape ? ChainBad<T, N> : never
      : Bad<FnOf<H>, S> : never;
export type Verdicts<L extends readonly unknown[], S extends Shape, R extends readonly unknown[] = []> =
  L extends readonly [infer H, ...infer T]
    ? Apply<FnOf<H>, S> extends infer N extends Shape ? Verdicts<T, N, [...R, LayerCheck<FnOf<H>, S>]> : never : R;
/** each layer & (unknown or ShapeError): the error lands on the layer that does not fit */
export type Checked<L extends readonly Block[], V> =
  { [I in keyof L]: L[I] & (I extends keyof V ? number extends L['length'] ? unknown : V[I] : unknown) };
/** an empty Sequential is one that will be filled by `add` statements: nothing is known of it */
export type SeqOut<L extends readonly unknown[], S extends Shape> = L extends readonly [] ? Shape : Chain<L, S>;
export interface SeqFn<L extends readonly Block[]> extends ShapeFn {
  out: SeqOut<L, AsShape<this['in']>>; bad: ChainBad<L, AsShape<this['in']>>; recasts: Recasts<L[number]>;
}
/** The dtype after a layer, from that of its input. */
export type DtypeAfter<F extends ShapeFn, D extends DType> = F extends { recasts: true } ? DType : D;
type Recasts<B> = true extends (B extends { readonly [fn]?: infer F } ? (NonNullable<F> extends { recasts: true } ? true : false) : false) ? true : false;
/** The dtype after layers, from that before them. */
export type SeqDt<L extends readonly Block[], D extends DType> = Recasts<L[number]> extends true ? DType : D;
export type Join2<L extends readonly Block[], M extends readonly Block[]> = IsAny<L> extends true ? any : [...L, ...M];
export type ClassOf<B> = abstract new (...args: any[]) => B;
