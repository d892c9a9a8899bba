import type * as Dagre from '@dagrejs/dagre';
import { shownShape } from '../../support/check.js';
import { isTensor, type Tensor } from '../../tensor/tensor.js';
import { mapTensors } from '../../trace/shape-pass.js';
import type { TracedNode } from '../../trace/trace.js';
import type { BlockBase } from './block.js';
import type { Input } from './run.js';
import { ownParameters, shapesOf } from './summary.js';
import { classOf, membersOf, treeOf } from './tree.js';
import { type Call, callsOf, type Forward } from './work.js';

/** Few programs draw pictures: what lays them out is loaded when one does. */
const dagre = (): typeof Dagre => require('@dagrejs/dagre') as typeof Dagre;

type Kind = 'end' | 'layer' | 'step';

/** A box of the picture: an input or result, a layer, or what a block does between its layers. */
interface Box {
  readonly kind: Kind;
  readonly lines: readonly string[];
  /** The tensors that it takes and gives. */
  readonly takes: Set<Tensor>;
  readonly gives: Set<Tensor>;
  /** The first step that did it; with none it is placed after all steps so far. */
  readonly begin: TracedNode | number;
}

const inputsOf = (node: TracedNode): readonly Tensor[] =>
  node.kind === 'apply' ? node.inputs.filter(isTensor) : node.kind === 'write' ? [node.source] : [];

const outputOf = (node: TracedNode): readonly Tensor[] =>
  node.kind === 'apply' || node.kind === 'make' ? [node.output] : [];

const nameOf = (node: TracedNode): string =>
  node.kind === 'apply' ? node.op.name : node.kind === 'make' ? (node.draws ? 'random' : 'constant') : 'write';

function tensorsIn(value: unknown): Set<Tensor> {
  const found = new Set<Tensor>();
  mapTensors(value, t => found.add(t));
  return found;
}

/** The tensors that a block's own step reads and makes; a chain of steps that only feed one another is one step. */
function stepBoxes(nodes: readonly TracedNode[], readers: ReadonlyMap<Tensor, number>): Box[] {
  const boxes: (Box & { names: string[] })[] = [];
  for (const node of nodes) {
    const takes = inputsOf(node);
    const last = boxes.at(-1);
    const only = takes.length === 1 ? (takes[0] as Tensor) : null;
    const goesOn = last !== undefined && only !== null && last.gives.has(only) && readers.get(only) === 1;
    if (goesOn) {
      last.names.push(nameOf(node));
      last.gives.clear();
      for (const t of outputOf(node)) last.gives.add(t);
    } else {
      boxes.push({
        kind: 'step',
        begin: node,
        lines: [],
        names: [nameOf(node)],
        takes: new Set(takes),
        gives: new Set(outputOf(node)),
      });
    }
  }
  return boxes.map(({ kind, begin, takes, gives, names }) => ({
    kind,
    begin,
    takes,
    gives,
    lines: [names.join(' · '), ...[...gives].map(t => shownShape(t.shape))],
  }));
}

/** A layer, all that it does in one box. */
function layerBox(call: Call, title: string, settings: string, own: { parameters: number; deferred: boolean }): Box {
  const gives = tensorsIn(call.output);
  const made = new Set(call.nodes.flatMap(outputOf));
  const takes = new Set(call.nodes.flatMap(inputsOf).filter(t => !made.has(t)));
  // A block that returns its input, as a Dropout that predicts, passes it on.
  if (call.nodes.length === 0) for (const t of gives) takes.add(t);
  const parameters =
    own.parameters === 0 ? [] : [`${own.parameters.toLocaleString('en-US')} parameters${own.deferred ? '*' : ''}`];
  return {
    kind: 'layer',
    begin: call.nodes[0] ?? call.end,
    lines: [title, ...(settings === '' ? [] : [settings]), shapesOf(call.output), ...parameters],
    takes,
    gives,
  };
}

function boxesOf(block: BlockBase, inputs: readonly Input[]): { boxes: Box[]; deferred: boolean } {
  const { blocks } = treeOf(block);
  const counted = new Set<unknown>();
  const drawn: (Box | { readonly steps: readonly TracedNode[] })[] = [];
  let someDeferred = false;
  const forward: Forward = callsOf(block, 'toSVG', inputs, call => {
    const path = blocks.get(call.block) ?? '';
    const title = path === '' ? classOf(call.block) : `${classOf(call.block)} ${path}`;
    if (membersOf(call.block).blocks.size > 0) {
      drawn.push({ steps: call.nodes });
      return;
    }
    const own = ownParameters(call.block, counted);
    someDeferred ||= own.deferred;
    const settings = call.block.describe();
    drawn.push(layerBox(call, title, settings, own));
  });
  const readers = new Map<Tensor, number>();
  for (const node of forward.nodes) for (const t of inputsOf(node)) readers.set(t, (readers.get(t) ?? 0) + 1);
  const result = forward.calls.at(-1)?.output;
  for (const t of tensorsIn(result)) readers.set(t, (readers.get(t) ?? 0) + 1);
  const places = new Map(forward.nodes.map((node, i) => [node, i]));
  const time = ({ begin }: Box): number => (typeof begin === 'number' ? begin - 0.5 : (places.get(begin) as number));
  const boxes = drawn
    .flatMap(one => ('steps' in one ? stepBoxes(one.steps, readers) : [one]))
    .sort((a, b) => time(a) - time(b));
  const made = new Set(boxes.flatMap(box => [...box.gives].filter(t => !box.takes.has(t))));
  const given = new Set(
    boxes
      .flatMap(box => [...box.takes])
      .concat([...tensorsIn(result)])
      .filter(t => !made.has(t) && !forward.isHeld(t)),
  );
  const ends = [...given].map(
    (t): Box => ({
      kind: 'end',
      begin: 0,
      lines: ['input', `${shownShape(t.shape)} ${t.dtype}`],
      takes: new Set(),
      gives: new Set([t]),
    }),
  );
  const outcome: Box = {
    kind: 'end',
    begin: 0,
    lines: ['output', shapesOf(result)],
    takes: tensorsIn(result),
    gives: new Set(),
  };
  return { boxes: [...ends, ...boxes, outcome], deferred: someDeferred };
}

const FONT = 13;
const LINE = 18;
const PADDING = 10;
const MARGIN = 16;
const NOTE_WIDTH = 340;
/** How wide a letter is on average, in parts of the font's size. */
const LETTER = 0.58;

const colours: Readonly<Record<Kind, { readonly fill: string; readonly line: string }>> = {
  end: { fill: '#f3f4f6', line: '#6b7280' },
  layer: { fill: '#eff6ff', line: '#2563eb' },
  step: { fill: '#ffffff', line: '#9ca3af' },
};

function escaped(text: string): string {
  const codes: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
  return text.replace(/[&<>"']/g, c => codes[c] as string);
}

interface Placed {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

function boxText({ lines, kind }: Box, { x, y, width, height }: Placed): string {
  const { fill, line } = colours[kind];
  const top = y - height / 2 + PADDING + FONT - 2;
  const texts = lines.map((text, i) => {
    const weight = i === 0 && kind === 'layer' ? ' font-weight="600"' : '';
    const colour = i === 0 ? '#111827' : '#4b5563';
    return `<text x="${round(x)}" y="${round(top + i * LINE)}"${weight} fill="${colour}">${escaped(text)}</text>`;
  });
  const rect = `<rect x="${round(x - width / 2)}" y="${round(y - height / 2)}" width="${round(width)}" height="${round(height)}" rx="6" fill="${fill}" stroke="${line}"/>`;
  return `<g>${rect}${texts.join('')}</g>`;
}

const round = (x: number): number => Math.round(x * 10) / 10;

interface Point {
  readonly x: number;
  readonly y: number;
}

/** A line through points, bent evenly at each. */
function pathText(points: readonly Point[]): string {
  const at = ({ x, y }: Point): string => `${round(x)} ${round(y)}`;
  return points
    .map((p, i) => {
      const next = points[i + 1];
      if (i === 0) return `M${at(p)}`;
      return next === undefined ? `L${at(p)}` : `Q${at(p)} ${at({ x: (p.x + next.x) / 2, y: (p.y + next.y) / 2 })}`;
    })
    .join(' ');
}

/** The forward of a net for such inputs as an SVG: its layers with shapes and parameters, from the inputs down. */
export function pictureOf(block: BlockBase, inputs: readonly Input[]): string {
  const { boxes, deferred } = boxesOf(block, inputs);
  const { graphlib, layout } = dagre();
  const graph = new graphlib.Graph({ multigraph: false });
  graph.setGraph({ rankdir: 'TB', nodesep: 30, ranksep: 36, marginx: MARGIN, marginy: MARGIN });
  graph.setDefaultEdgeLabel(() => ({}));
  boxes.forEach(({ lines }, i) => {
    const longest = Math.max(...lines.map(line => line.length));
    graph.setNode(String(i), {
      width: Math.max(60, longest * FONT * LETTER + 2 * PADDING),
      height: lines.length * LINE + 2 * PADDING - 4,
    });
  });
  // A layer that passes its input on gives it anew: who comes later takes it from there.
  const makers = new Map<Tensor, number>();
  boxes.forEach((box, i) => {
    for (const t of box.takes) {
      const maker = makers.get(t);
      if (maker !== undefined && maker !== i) graph.setEdge(String(maker), String(i));
    }
    for (const t of box.gives) makers.set(t, i);
  });
  layout(graph);
  const lines: Point[][] = graph
    .edges()
    .map((edge: { v: string; w: string }) => graph.edge(edge.v, edge.w).points as Point[]);
  const places = boxes.map((_, i): Placed => graph.node(String(i)));
  // Lines may go further out than all boxes.
  const across = [
    ...lines.flat().map(({ x }) => x),
    ...places.flatMap(({ x, width }) => [x - width / 2, x + width / 2]),
  ];
  const left = Math.floor(Math.min(...across)) - MARGIN;
  const width = Math.max(Math.ceil(Math.max(...across)) + MARGIN - left, NOTE_WIDTH);
  const bottom = Math.max(...places.map(({ y, height }) => y + height / 2));
  const height = Math.ceil(bottom) + MARGIN + (deferred ? LINE : 0);
  const edges = lines.map(points => `<path d="${pathText(points)}" marker-end="url(#arrow)"/>`);
  const texts = boxes.map((box, i) => boxText(box, places[i] as Placed));
  const note = deferred
    ? `<text x="${left + width / 2}" y="${height - MARGIN / 2}" fill="#6b7280" font-size="11">* without values yet; the sizes are those that this input gives</text>`
    : '';
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="${left} 0 ${width} ${height}" width="${width}" height="${height}" font-family="system-ui, sans-serif" font-size="${FONT}" text-anchor="middle">`,
    '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0 L8 4 L0 8 z" fill="#6b7280"/></marker></defs>',
    `<title>${escaped(classOf(block))}</title>`,
    `<rect x="${left}" width="${width}" height="${height}" fill="#ffffff"/>`,
    `<g fill="none" stroke="#6b7280">${edges.join('')}</g>`,
    ...texts,
    note,
    '</svg>\n',
  ]
    .filter(line => line !== '')
    .join('\n');
}
