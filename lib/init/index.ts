export { Kaiming, type KaimingOptions, Xavier, type XavierOptions } from './fans.js';
export { type InitializedParameter, Initializer } from './initializer.js';
export { type InitializerLike, type InitializerName, Mixed } from './named.js';
export { Orthogonal, type OrthogonalOptions } from './orthogonal.js';
export { Constant, Normal, One, TruncatedNormal, Uniform, Zero } from './simple.js';
