import { data, metric, random } from 'latent';
const dataset = new data.ArrayDataset([1, 2]);
export const loader = new data.DataLoader(dataset, { batchSize: 2, shuffle: undefined, lastBatch: undefined, sampler: undefined, generator: undefined, batchify: undefined });
const options: data.DataLoaderOptions = { batchSize: 2, shuffle: undefined, lastBatch: undefined, sampler: undefined, generator: undefined, batchify: undefined };
export const given = new data.DataLoader(dataset, options);
export const order = new data.RandomSampler(2, { generator: undefined as random.Generator | undefined });
export const digits = () => new data.MNIST('.', { train: undefined });
export const figures = [new metric.Accuracy({ axis: undefined, name: undefined }), new metric.Loss({ name: undefined })];
