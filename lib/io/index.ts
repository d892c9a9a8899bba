export * as safetensors from './safetensors.js';
