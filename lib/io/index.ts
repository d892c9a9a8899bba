export * as safetensors from '../files/safetensors.js';
export * as onnx from './onnx.js';
