import { ArgumentError, BlockError } from '../../errors.js';
import { context, within } from '../../ops/context.js';
import { anyUnready, type Parameter, parameterInternals, watchData } from '../../parameter/parameter.js';
import type { Subject } from '../../plan/evaluate.js';
import { isThenable, shown } from '../../support/check.js';
import { isTensor, type Tensor } from '../../tensor/tensor.js';
import { currentPass, mapTensors, runPass, ShapePass } from '../../trace/shape-pass.js';
import { guarded, type Transaction, transact } from '../../trace/transaction.js';
import type { BlockBase } from './block.js';
import { type Hooks, hooksOf } from './hooks.js';
import { type HybridizeOptions, hybridize, hybridOf } from './hybridize.js';
import { classOf, isBlock, membersOf, type Tree, treeOf } from './tree.js';

/** The blocks whose forwards are running, outermost first. */
const stack: BlockBase[] = [];

/** Nets whose structure a first call has checked. */
const settled = new WeakSet<BlockBase>();

/** Sees each block's output during a shape pass; for tables. */
type Visit = (block: BlockBase, output: unknown) => void;

declare module '../../ops/context.js' {
  interface Context {
    /** The tree of the outermost net while its first call is checked; blocks that run must be in it. */
    checked: Tree | null;
    visit: Visit | null;
  }
}

context.checked = null;
context.visit = null;

/** How a block is called in messages: `Dense '1' in Sequential`, or its class when it was called on its own. */
export function describeBlock(block: BlockBase): string {
  const root = stack[0];
  if (root === undefined || root === block) return classOf(block);
  const path = treeOf(root).blocks.get(block);
  return path === undefined ? classOf(block) : `${classOf(block)} '${path}' in ${classOf(root)}`;
}

/** The same, with a parameter's path and name: `Dense '1' in Sequential (1.weight, dense1_weight)`. */
export function describeParameterOf(block: BlockBase, parameter: Parameter): string {
  const root = stack[0] ?? block;
  treeOf(root);
  return `${describeBlock(block)} (${parameter.describe()})`;
}

/** The block whose forward is running, innermost. */
export function runningBlock(): BlockBase | undefined {
  return stack.at(-1);
}

function checkOutput(block: BlockBase, output: unknown): void {
  if (isTensor(output)) return;
  if (output === undefined)
    throw new ArgumentError(
      `The forward of ${describeBlock(block)} returned nothing; return a tensor, or an array or plain object of tensors`,
    );
  if (isThenable(output))
    throw new ArgumentError(`The forward of ${describeBlock(block)} returned a promise; a forward is synchronous`);
}

function checkOwned(block: BlockBase): void {
  if (context.checked === null || context.checked.runnable.has(block)) return;
  throw new BlockError(
    `A ${classOf(block)} (${block.prefix.slice(0, -1)}) runs inside the forward of ${classOf(context.checked.root)} and is not among its descendants, so its parameters would not be trained or saved. ` +
      "Hold it in a public field, in an array, plain object or Map of one, or register it with this.own('name', block); private (#) fields aren't seen",
  );
}

// A parameter that a forward reads and its net doesn't own would quietly not be trained.
watchData(parameter => {
  if (context.checked === null || stack.length === 0 || context.checked.readable.has(parameter)) return;
  // One that was made since the net was looked through.
  for (const block of context.checked.runnable)
    for (const own of membersOf(block).parameters.values()) if (own === parameter) return;
  throw new BlockError(
    `A Parameter (${parameter.describe()}) of shape [${parameter.shape.join(', ')}] is used inside the forward of ${classOf(context.checked.root)} and is not among its parameters, so it would not be trained or saved. ` +
      "Hold it in a public field, or in an array, plain object or Map of one; private (#) fields aren't seen",
  );
});

function runHooks(hooks: Hooks | undefined, block: BlockBase, inputs: unknown[], output?: unknown): void {
  if (hooks === undefined || currentPass() !== null) return;
  const list = output === undefined ? hooks.before : hooks.after;
  for (const hook of [...list]) {
    const result: unknown = output === undefined ? hook(block, inputs) : hook(block, inputs, output);
    if (result !== undefined) {
      throw new ArgumentError(
        `A forward hook of ${describeBlock(block)} returned ${shown(result)}; hooks watch and return nothing`,
      );
    }
  }
}

/** One forward with its hooks. */
function run(block: BlockBase, inputs: unknown[]): unknown {
  if (stack.includes(block)) throw new BlockError(`${describeBlock(block)} was called inside its own forward`);
  stack.push(block);
  context.forwards++;
  try {
    const hooks = hooksOf(block);
    runHooks(hooks, block, inputs);
    const hybrid = hybridOf(block);
    const output: unknown = hybrid === null ? block.forward(...inputs) : hybrid.run(inputs);
    checkOutput(block, output);
    runHooks(hooks, block, inputs, output);
    context.visit?.(block, output);
    return output;
  } finally {
    context.forwards--;
    stack.pop();
  }
}

/**
 * `block(...inputs)`: a forward with hooks; as the outermost call of a net with deferred parameters it settles them first.
 */
export function callBlock(block: BlockBase, inputs: unknown[]): unknown {
  const { initializing: busy } = context;
  if (busy !== null)
    throw new BlockError(`${classOf(block)} was called from inside the initializer of ${busy.describe()}`);
  if (stack.length > 0) {
    checkOwned(block);
    return run(block, inputs);
  }
  // A call that fails leaves running statistics, random streams and whatever else it wrote as they were.
  if (!anyUnready() && settled.has(block))
    return guarded(() =>
      context.checked === null ? run(block, inputs) : within({ checked: null }, () => run(block, inputs)),
    );
  return firstCall(block, inputs);
}

/** How a block below a net is called in messages, while neither runs. */
export function whereIn(net: BlockBase, owner: unknown): string {
  const path = isBlock(owner) ? treeOf(net).blocks.get(owner) : undefined;
  return path === undefined || path === ''
    ? classOf(net)
    : `${classOf(owner as BlockBase)} '${path}' in ${classOf(net)}`;
}

/** The forward of a block, from which plans are made. */
export function subjectOf(block: BlockBase): Subject {
  return {
    trace: inputs => (stack.at(-1) === block ? (block.forward(...inputs) as unknown) : callBlock(block, inputs)),
    running: runningBlock,
    describe: running => describeBlock((running ?? block) as BlockBase),
    where: owner => whereIn(block, owner),
  };
}

/** Has a block's calls run by plans from now on, or (false) no more. */
export function hybridizeBlock(
  block: BlockBase,
  active: boolean | undefined,
  options: HybridizeOptions | undefined,
): void {
  checkIdle(block, 'hybridize');
  hybridize(block, classOf(block), active, options, subjectOf(block));
}

function deferredIn(tree: Tree): Parameter[] {
  return [...tree.parameters.values()].filter(parameter => parameter.state === 'deferred');
}

/** A call that may settle shapes, or must be checked; a net without values is left as it was when it fails. */
function firstCall(block: BlockBase, inputs: unknown[]): unknown {
  const tree = treeOf(block);
  const unready = [...tree.parameters.values()].some(parameter => parameter.state !== 'ready');
  // Callbacks of a commit (onReady) run outside the check, for they may call other nets.
  const output = unready
    ? transact(transaction =>
        within({ checked: tree }, () => {
          if (deferredIn(tree).length > 0) {
            settleShapes(tree, transaction, pass => inputs.map(input => mapTensors(input, t => pass.tensor(t))));
          }
          return run(block, inputs);
        }),
      )
    : guarded(() => within({ checked: tree }, () => run(block, inputs)));
  settled.add(block);
  return output;
}

function allowsShapePass(tree: Tree): boolean {
  for (const block of tree.blocks.keys()) {
    if ((block.constructor as { shapePass?: unknown }).shapePass === false) return false;
  }
  return true;
}

/**
 * Evaluates the forward on shapes alone and, every shape known, draws the parameters in the order of their paths. Where
 * a forward wants values, nothing is settled: parameters then become ready as the real forward reaches them.
 */
function settleShapes(
  tree: Tree,
  transaction: Transaction,
  abstractInputs: (pass: ShapePass) => unknown[],
): 'settled' | 'refused' {
  if (!allowsShapePass(tree)) return 'refused';
  const mark = transaction.mark();
  const answer = runPass(new ShapePass(), pass => run(tree.root, abstractInputs(pass)));
  if (answer === 'refused') {
    transaction.rollbackTo(mark);
    return 'refused';
  }
  for (const parameter of deferredIn(tree)) parameterInternals.materialize(parameter);
  return 'settled';
}

export function checkIdle(block: BlockBase, what: string): void {
  if (stack.length > 0)
    throw new BlockError(
      `${classOf(block)}.${what} was called from inside the forward of ${describeBlock(stack[0] as BlockBase)}`,
    );
}

/** Settles a net from its inputs' signatures, without data; `who` asks, and tells what to do where that cannot be. */
export function settleFromShapes(
  block: BlockBase,
  inputs: readonly Input[],
  who = 'inferShape',
  instead = 'pass a batch instead',
): void {
  checkIdle(block, who);
  const tree = treeOf(block);
  transact(transaction =>
    within({ checked: tree }, () => {
      const answer = settleShapes(tree, transaction, pass => inputs.map(input => pass.tensor(input)));
      if (answer === 'refused') {
        throw new BlockError(
          `${who}: the forward of ${classOf(block)} reads values, or one of its blocks opts out of shape passes; ${instead}`,
        );
      }
    }),
  );
}

export interface Input {
  readonly shape: readonly number[];
  readonly dtype: Tensor['dtype'];
}

/** Raised to take a pass back on purpose. */
class Done {
  constructor(readonly value: unknown) {}
}

/** Evaluates a net on shapes alone and touches nothing: parameters that were never initialized answer as well. */
export function evaluateShapes(
  block: BlockBase,
  what: string,
  inputs: readonly Input[],
  watch?: {
    visit: Visit;
    pass: ShapePass;
  },
): unknown {
  checkIdle(block, what);
  const tree = treeOf(block);
  try {
    return within({ checked: tree, visit: watch?.visit ?? null }, () =>
      transact(() => {
        const answer = runPass(watch?.pass ?? new ShapePass(true), pass => ({
          output: mapTensors(
            run(
              block,
              inputs.map(input => pass.tensor(input)),
            ),
            t => t.shape,
          ),
        }));
        if (answer === 'refused')
          throw new BlockError(`${what}: the forward of ${classOf(block)} reads values, which a shape has not`);
        throw new Done(answer.output);
      }),
    );
  } catch (error) {
    if (error instanceof Done) return error.value;
    throw error;
  }
}
