export type { OnnxAttribute, OnnxGraph } from '../ops/own-form.js';
export { type BackwardOptions, backward, type GradOptions, grad } from './backward.js';
export { Function } from './function.js';
export { type GradCheckOptions, gradCheck } from './grad-check.js';
export { isRecording, isTraining, pause, predictMode, record, type ScopeOptions, trainMode } from './modes.js';
export type { GradReq } from './tape.js';
export type { AttachGradOptions } from './variable.js';

import './variable.js';
