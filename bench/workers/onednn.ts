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
  const unsupported = { unsupported: 'it does one convolution with a bias, forwards', time: () => 0 };
  if (spec.pass !== 'predict' || layer?.is !== 'conv' || layer.relu === true || others.length > 0) return unsupported;
  const { channels: filters, kernel, stride = 1, padding = 0, dilation = 1, groups = 1, bias: hasBias = true } = layer;
  if (![kernel, stride, padding].every(Number.isInteger) || dilation !== 1 || !hasBias) return unsupported;
  const [batch, channels, height, width] = spec.input as [number, number, number, number];
  const shape = { batch, channels, height, width, filters, kernel, stride, padding, groups } as ConvolutionShape;
  const [weight, bias] = layer.parameters.map(valuesOf) as [Float32Array, Float32Array];
  const native = onednn.convolution(shape, inputValues(spec) as Float32Array, weight, bias, isPlain);
  return nativeJob(onednn, native, () => new Float32Array(sizeOf(spec.output)));
});
