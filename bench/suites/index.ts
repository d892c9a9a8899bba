import { gemm } from './gemm.js';
import type { Suite } from './suite.js';

export const suites: readonly Suite[] = [gemm];
