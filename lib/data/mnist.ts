import { join } from 'node:path';
import { FileError, FormatError } from '../errors.js';
import { isThere } from '../files/read-file.js';
import { checkBoolean, checkOptions, checkPath, shownShape } from '../support/check.js';
import type { Tensor } from '../tensor/tensor.js';
import { ArrayDataset } from './dataset.js';
import { readIdx } from './idx.js';

const CLASSES = 10;

export interface MNISTOptions {
  /** The 60,000 pictures to train on (default), or the 10,000 to test with. */
  train?: boolean | undefined;
}

type Images = Tensor<[number, number, number], 'uint8'>;
type Labels = Tensor<[number], 'int32'>;

/** The file of that name, or its compressed form. */
function find(who: string, folder: string, name: string): string {
  for (const path of [join(folder, name), join(folder, `${name}.gz`)]) if (isThere(path)) return path;
  throw new FileError(`${who}: ${folder} has neither ${name} nor ${name}.gz`);
}

/** Both columns from a folder of files as MNIST has them. */
function read(who: string, folder: string, options: MNISTOptions | undefined): [Images, Labels] {
  checkPath(`${who}: folder`, folder);
  const { train = true } = checkOptions(who, options, ['train']);
  const part = checkBoolean(`${who}: train`, train) ? 'train' : 't10k';
  const imagePath = find(who, folder, `${part}-images-idx3-ubyte`);
  const labelPath = find(who, folder, `${part}-labels-idx1-ubyte`);
  const images = readIdx(imagePath);
  const labels = readIdx(labelPath);
  if (images.dtype !== 'uint8' || images.ndim !== 3)
    throw new FormatError(`${who}: ${imagePath} holds ${images.dtype} of shape ${shownShape(images.shape)}, no images`);
  if (labels.dtype !== 'uint8' || labels.ndim !== 1)
    throw new FormatError(`${who}: ${labelPath} holds ${labels.dtype} of shape ${shownShape(labels.shape)}, no labels`);
  if (images.shape[0] !== labels.shape[0])
    throw new FormatError(
      `${who}: ${images.shape[0]} images in ${imagePath}, but ${labels.shape[0]} labels in ${labelPath}`,
    );
  if (labels.size > 0 && (labels.max().item() as number) >= CLASSES)
    throw new FormatError(`${who}: ${labelPath} has labels above ${CLASSES - 1}`);
  return [images as Images, labels.cast('int32') as Labels];
}

class Pictures extends ArrayDataset<readonly [images: Images, labels: Labels]> {
  /** The pictures, uint8 [n, 28, 28]. */
  get images(): Images {
    return this.columns[0];
  }

  /** Their classes, int32 [n]. */
  get labels(): Labels {
    return this.columns[1];
  }
}

/**
 * Handwritten digits from their original files (LeCun et al.): images uint8 [n, 28, 28], 0 to 255, and labels int32 [n].
 * Reads `train-images-idx3-ubyte` and its siblings in a folder, plain or compressed.
 */
export class MNIST extends Pictures {
  constructor(folder: string, options?: MNISTOptions) {
    super(...read('MNIST', folder, options));
  }
}

/** Pieces of clothing from their original files (Xiao et al. 2017), which have the form and the names of MNIST's. */
export class FashionMNIST extends Pictures {
  /** The names of the classes. */
  static readonly classes = [
    't-shirt',
    'trouser',
    'pullover',
    'dress',
    'coat',
    'sandal',
    'shirt',
    'sneaker',
    'bag',
    'ankle boot',
  ] as const;

  constructor(folder: string, options?: MNISTOptions) {
    super(...read('FashionMNIST', folder, options));
  }
}
