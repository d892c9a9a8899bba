import type { BlockedOptions } from '../../ops/blocked/form.js';
import type { Graph } from '../graph.js';
import { shareCommon } from './equal-nodes.js';
import { blockChannels } from './layouts.js';
import { foldNorms } from './norms.js';
import { fuseReaders } from './readers.js';
import { joinShapes } from './shapes.js';
import { dropDead } from './unused-nodes.js';

/** The choices that a plan leaves to its user. */
export type OptimizeOptions = BlockedOptions;

/** The default: Winograd's algorithm in the tiles that are as exact as sums of taps. */
export const defaultOptions: OptimizeOptions = { winograd: 2 };

/**
 * The graph with less to do and the same results. Gradients read tensors that only they know of, and what is written at the
 * end is read by nobody: a graph that has any of either is left as it is.
 */
export function optimize(graph: Graph, options: OptimizeOptions): Graph {
  if (graph.results.length > 0 || graph.nodes.some(node => node.kind === 'gradient')) return graph;
  const fused = fuseReaders(dropDead(joinShapes(foldNorms(shareCommon(dropDead(graph))))));
  return dropDead(fuseReaders(blockChannels(fused, options)));
}
