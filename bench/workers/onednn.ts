/** Convolutions of oneDNN, forwards; `plain` on data as it lies, else with data brought into its own layout and back. */
import { inputValues, type LayersSpec, sizeOf, valuesOf } from './layers.js';
import { type Jobs, type NativeJob, nativeJob, requireAddon } from './native-job.js';
import { serve } from './serve.js';

interface ConvolutionShape {
  readonly batch: number;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly filters: number;
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
  readonly groups: number;
}

/** bench/native/onednn.cc. */
interface OneDnn extends Jobs {
  readonly version: string;
  convolution(
    shape: ConvolutionShape,
    x: Float32Array,
    weight: Float32Array,
    bias: Float32Array,
    isPlain: boolean,
  ): NativeJob;
}

const isPlain = process.argv[2] === 'plain';
const onednn = requireAddon<OneDnn>('latent_bench_onednn');

void serve(onednn.version, given => {
  const spec = given as LayersSpec;
  const [layer, ...others] = spec.layers;
  if (spec.pass !== 'predict' || layer?.is !== 'conv' || layer.relu === true || others.length > 0)
    return { unsupported: 'it does one convolution, forwards', time: () => 0 };
  const { channels: filters, kernel, stride = 1, padding = 0, groups = 1 } = layer;
  const [batch, channels, height, width] = spec.input as [number, number, number, number];
  const shape = { batch, channels, height, width, filters, kernel, stride, padding, groups };
  const [weight, bias] = layer.parameters.map(valuesOf) as [Float32Array, Float32Array];
  const native = onednn.convolution(shape, inputValues(spec), weight, bias, isPlain);
  return nativeJob(onednn, native, () => new Float32Array(sizeOf(spec.output)));
});
