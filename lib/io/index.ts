export * as safetensors from '../format/safetensors.js';
export * as onnx from './onnx.js';
