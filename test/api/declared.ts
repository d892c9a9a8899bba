import { join } from 'node:path';
import type * as TypeScript from 'typescript-5.9';
import { root } from '../support/child.js';

const ts = require('typescript-5.9') as typeof TypeScript;

/** What a declared type takes, as far as a random value of it can be drawn. */
export type Kind =
  | { readonly is: 'number' | 'boolean' | 'string' | 'tensor' | 'function' | 'nothing' | 'anything' }
  | { readonly is: 'literal'; readonly value: string | number | boolean }
  | { readonly is: 'instance'; readonly of: string }
  | { readonly is: 'list'; readonly item: Kind }
  | { readonly is: 'tuple'; readonly items: readonly Kind[] }
  | { readonly is: 'object'; readonly fields: readonly (readonly [name: string, kind: Kind])[] }
  | { readonly is: 'choice'; readonly among: readonly Kind[] };

/** Something of the public API that can be called. */
export interface Callable {
  /** `nn.Dense`, `Tensor.add`. */
  readonly path: string;
  readonly how: 'function' | 'constructor' | 'method';
  /** The class that a method is of, or that a constructor makes. */
  readonly owner: string;
  readonly parameters: readonly Kind[];
}

const DEPTH = 3;

/** Every function, constructor and method that the compiled declarations tell of. */
export function declaredApi(): Callable[] {
  const entry = join(root, 'dist', 'index.d.ts');
  const program = ts.createProgram([entry], {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    strict: true,
    types: ['node'],
    typeRoots: [join(root, 'node_modules', '@types')],
  });
  const checker = program.getTypeChecker();

  const kindOf = (type: TypeScript.Type, depth: number): Kind => {
    const { flags } = type;
    if (flags & ts.TypeFlags.TypeParameter) {
      const constraint = checker.getBaseConstraintOfType(type);
      return constraint === undefined || constraint === type ? { is: 'anything' } : kindOf(constraint, depth);
    }
    if (flags & (ts.TypeFlags.Any | ts.TypeFlags.Unknown | ts.TypeFlags.NonPrimitive)) return { is: 'anything' };
    if (flags & (ts.TypeFlags.Undefined | ts.TypeFlags.Null | ts.TypeFlags.Void)) return { is: 'nothing' };
    if (type.isStringLiteral() || type.isNumberLiteral()) return { is: 'literal', value: type.value };
    if (flags & ts.TypeFlags.BooleanLiteral) return { is: 'literal', value: checker.typeToString(type) === 'true' };
    if (type.isUnion()) return { is: 'choice', among: type.types.map(one => kindOf(one, depth)) };
    if (flags & ts.TypeFlags.NumberLike) return { is: 'number' };
    if (flags & ts.TypeFlags.StringLike) return { is: 'string' };
    if (flags & ts.TypeFlags.BooleanLike) return { is: 'boolean' };
    const name = (type.aliasSymbol ?? type.getSymbol())?.name ?? '';
    if (name === 'Tensor') return { is: 'tensor' };
    if (depth === 0) return { is: 'anything' };
    if (checker.isTupleType(type))
      return {
        is: 'tuple',
        items: checker.getTypeArguments(type as TypeScript.TypeReference).map(item => kindOf(item, depth - 1)),
      };
    if (checker.isArrayType(type) || name === 'ReadonlyArray') {
      const [item] = checker.getTypeArguments(type as TypeScript.TypeReference);
      return item === undefined ? { is: 'anything' } : { is: 'list', item: kindOf(item, depth - 1) };
    }
    if (type.isClass()) return { is: 'instance', of: name };
    if (type.getCallSignatures().length > 0)
      return /^(Block|Dense|Sequential)/.test(name) ? { is: 'instance', of: name } : { is: 'function' };
    const fields = type.getProperties().filter(property => !property.name.startsWith('__'));
    if (fields.length === 0 || fields.length > 40) return { is: 'instance', of: name };
    return {
      is: 'object',
      fields: fields.map(property => [property.name, kindOf(checker.getTypeOfSymbol(property), depth - 1)]),
    };
  };

  const found: Callable[] = [];
  const add = (
    path: string,
    how: Callable['how'],
    owner: string,
    signatures: readonly TypeScript.Signature[],
  ): void => {
    for (const signature of signatures.slice(0, 3)) {
      const parameters = signature.parameters.map(parameter => kindOf(checker.getTypeOfSymbol(parameter), DEPTH));
      found.push({ path, how, owner, parameters });
    }
  };
  /** What subclasses alone may call, or the library. */
  const isForTheLibrary = (property: TypeScript.Symbol): boolean =>
    (property.declarations ?? []).some(
      declaration =>
        (ts.getCombinedModifierFlags(declaration) & (ts.ModifierFlags.Protected | ts.ModifierFlags.Private)) !== 0 ||
        ts.getJSDocTags(declaration).some(tag => tag.tagName.text === 'internal'),
    );
  const seen = new Set<string>();
  const methodsOf = (type: TypeScript.Type, owner: string): void => {
    if (seen.has(owner)) return;
    seen.add(owner);
    for (const property of type.getProperties()) {
      if (property.name.startsWith('__') || isForTheLibrary(property)) continue;
      const signatures = checker.getTypeOfSymbol(property).getCallSignatures();
      if (signatures.length > 0) add(`${owner}.${property.name}`, 'method', owner, signatures);
    }
  };
  const visit = (symbol: TypeScript.Symbol, path: string): void => {
    const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
    if (target.flags & ts.SymbolFlags.ValueModule) {
      for (const member of checker.getExportsOfModule(target))
        visit(member, path === '' ? member.name : `${path}.${member.name}`);
      return;
    }
    if ((target.flags & ts.SymbolFlags.Value) === 0) return;
    const type = checker.getTypeOfSymbol(target);
    const constructors = type
      .getConstructSignatures()
      .filter(
        ({ declaration }) =>
          !(declaration && ts.getJSDocTags(declaration).some(tag => tag.tagName.text === 'internal')),
      );
    const all = type.getConstructSignatures();
    if (all.length > 0) {
      add(path, 'constructor', path, constructors);
      methodsOf((all[0] as TypeScript.Signature).getReturnType(), path);
    } else {
      add(path, 'function', '', type.getCallSignatures());
    }
  };
  const source = program.getSourceFile(entry) as TypeScript.SourceFile;
  for (const member of checker.getExportsOfModule(checker.getSymbolAtLocation(source) as TypeScript.Symbol))
    visit(member, member.name);
  return found;
}
