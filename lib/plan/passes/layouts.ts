import { type BlockedForm, type BlockedOptions, costs, type Frame } from '../../ops/blocked/form.js';
import { type Blocked, fromBlocked, toBlocked } from '../../ops/blocked/value.js';
import type { Operand } from '../../ops/op.js';
import { isTensor, type Tensor } from '../../tensor/tensor.js';
import { runPass } from '../../trace/shape-pass.js';
import type { Applied, TracedNode } from '../../trace/trace.js';
import type { Graph } from '../graph.js';
import { Rewriting } from './rewriting.js';
import { readsOf, writtenIn } from './uses.js';

/** Sets of tensors that grow together. */
class Groups {
  readonly #next = new Map<Tensor, Tensor>();

  of(t: Tensor): Tensor {
    const next = this.#next.get(t);
    if (next === undefined) return t;
    const last = this.of(next);
    this.#next.set(t, last);
    return last;
  }
  join(a: Tensor, b: Tensor): void {
    const [x, y] = [this.of(a), this.of(b)];
    if (x !== y) this.#next.set(x, y);
  }
}

/** The nodes that are computed in blocks, and the frames of the values that they make. */
class Layouts {
  readonly forms = new Map<TracedNode, BlockedForm>();
  readonly #frames = new Map<Tensor, Frame>();

  constructor(graph: Graph, options: BlockedOptions) {
    const written = writtenIn(graph);
    for (const node of graph.nodes) {
      if (node.kind !== 'apply' || readsOf(node).some(t => written.has(t))) continue;
      const form = node.op.blocked?.(node.inputs, node.attrs, node.output, options) ?? null;
      if (form === null || (form.gain <= 0 && !this.#operands(node, form).every(t => this.arrives(t, form)))) continue;
      this.forms.set(node, form);
      if (form.gives === 'plain') continue;
      const frames = this.#operands(node, form).map(t => this.#frames.get(t) ?? 'zero');
      this.#frames.set(node.output, form.frame?.(frames) ?? 'zero');
    }
    this.#dropWithoutGain(graph);
  }

  #operands(node: Applied, { blocks }: BlockedForm): Tensor[] {
    return blocks.map(place => node.inputs[place] as Tensor);
  }

  /** Whether a value lies in blocks as such a form can read it; else it is brought there. */
  arrives(t: Tensor, form: BlockedForm): boolean {
    const frame = this.#frames.get(t);
    return frame !== undefined && (form.halo === 0 || frame === 'zero');
  }

  /** The values in blocks that are wanted as ever, too. */
  wantedPlain(graph: Graph): Set<Tensor> {
    const wanted = new Set<Tensor>(graph.outputs);
    for (const node of graph.nodes) {
      const form = this.forms.get(node);
      if (form === undefined) for (const t of readsOf(node)) wanted.add(t);
      else {
        (node as Applied).inputs.forEach((t, place) => {
          if (isTensor(t) && !(form.blocks.includes(place) && this.arrives(t, form))) wanted.add(t);
        });
      }
    }
    return new Set([...wanted].filter(t => this.#frames.has(t)));
  }

  /** Leaves out the regions, connected by values in blocks, that cost more at their borders than they save. */
  #dropWithoutGain(graph: Graph): void {
    const regions = new Groups();
    const regionOf = (node: Applied, form: BlockedForm): Tensor => {
      if (form.gives === 'blocks') return regions.of(node.output);
      return regions.of(this.#operands(node, form)[0] as Tensor);
    };
    for (const [node, form] of this.forms) {
      if (form.gives === 'plain') continue;
      for (const t of this.#operands(node as Applied, form))
        if (this.arrives(t, form)) regions.join(t, (node as Applied).output);
    }
    const gains = new Map<Tensor, number>();
    const add = (region: Tensor, gain: number): void => {
      gains.set(region, (gains.get(region) ?? 0) + gain);
    };
    const brought = new Map<Tensor, Set<Tensor>>();
    for (const [node, form] of this.forms) {
      const region = regionOf(node as Applied, form);
      add(region, form.gain);
      for (const t of this.#operands(node as Applied, form)) {
        const known = brought.get(t) ?? new Set();
        brought.set(t, known);
        if (this.arrives(t, form) || form.takesPlain === true || known.has(region)) continue;
        known.add(region);
        add(region, -costs.reorder * t.size);
      }
    }
    for (const t of this.wantedPlain(graph)) add(regions.of(t), -costs.reorder * t.size);
    for (const [node, form] of [...this.forms]) {
      if ((gains.get(regionOf(node as Applied, form)) as number) > 0) continue;
      this.forms.delete(node);
      this.#frames.delete((node as Applied).output);
    }
  }

  /** The halo of each value that lies in blocks or is brought there: as much as any reader of it needs. */
  halos(): (t: Tensor) => number {
    const groups = new Groups();
    for (const [node, form] of this.forms) {
      if (form.isElementwise === true)
        for (const t of this.#operands(node as Applied, form)) groups.join(t, (node as Applied).output);
    }
    const most = new Map<Tensor, number>();
    for (const [node, form] of this.forms) {
      for (const t of this.#operands(node as Applied, form)) {
        const group = groups.of(t);
        most.set(group, Math.max(most.get(group) ?? 0, form.halo));
      }
    }
    return t => most.get(groups.of(t)) ?? 0;
  }
}

/**
 * Has convolutions, and what lies between them, computed on values whose channels lie in blocks, region by region where that
 * saves more than it costs to bring values there and back.
 */
export function blockChannels(graph: Graph, options: BlockedOptions): Graph {
  const layouts = new Layouts(graph, options);
  if (layouts.forms.size === 0) return graph;
  const haloOf = layouts.halos();
  const wantedPlain = layouts.wantedPlain(graph);
  const made = new Map<Tensor, Blocked>();
  const brought = new Map<Tensor, Blocked>();
  const plains = new Map<Tensor, Tensor>();
  const plain = (t: Tensor): Tensor => plains.get(t) ?? t;
  const bring = (t: Tensor): Blocked => {
    const blocked = brought.get(t) ?? toBlocked(plain(t), haloOf(t));
    brought.set(t, blocked);
    return blocked;
  };
  const rewriting = new Rewriting();
  const rewrite = (node: Applied, form: BlockedForm): void => {
    const operands = node.inputs.map((t, place): Blocked | Operand => {
      if (!isTensor(t)) return t;
      if (!form.blocks.includes(place)) return plain(t);
      if (layouts.arrives(t, form)) return made.get(t) as Blocked;
      return form.takesPlain === true ? plain(t) : bring(t);
    });
    const result = form.compute(operands, haloOf(node.output));
    if (isTensor(result)) plains.set(node.output, result);
    else {
      made.set(node.output, result);
      if (wantedPlain.has(node.output)) plains.set(node.output, fromBlocked(result));
    }
  };
  runPass(rewriting, () => {
    for (const node of graph.nodes) {
      const form = layouts.forms.get(node);
      rewriting.by = node.owner;
      if (form !== undefined) rewrite(node as Applied, form);
      else if (node.kind === 'apply')
        rewriting.keep({ ...node, inputs: node.inputs.map(t => (isTensor(t) ? plain(t) : t)) });
      else rewriting.keep(node.kind === 'write' ? { ...node, source: plain(node.source) } : node);
    }
  });
  return { ...graph, nodes: rewriting.nodes, outputs: graph.outputs.map(plain) };
}
