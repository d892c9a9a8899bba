export type { Column } from './column.js';
export type { BatchOf, SampleOf } from './column-types.js';
export { ArrayDataset, type BatchedDataset, type Dataset } from './dataset.js';
export { readIdx } from './idx.js';
export { DataLoader, type DataLoaderOptions } from './loader.js';
export { FashionMNIST, MNIST, type MNISTOptions } from './mnist.js';
export { BatchSampler, type LastBatch, RandomSampler, type Sampler, SequentialSampler } from './sampler.js';
