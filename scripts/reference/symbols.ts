import { join, relative } from 'node:path';
import ts from 'typescript-5.9';
import { TypeText } from './types.js';

/** Something that the package exports. */
export interface Entry {
  /** As it is exported, without its namespace. */
  readonly name: string;
  /** `nn.`, or nothing. */
  readonly space: string;
  readonly symbol: ts.Symbol;
  /** Where it is declared, from the root. */
  readonly file: string;
}

export interface Member {
  readonly name: string;
  readonly type: string;
  readonly text: string;
}

const hidden = ts.ModifierFlags.Private | ts.ModifierFlags.Protected;

/** What the package exports, and what its doc comments say. */
export class Package {
  readonly entries: readonly Entry[];
  readonly checker: ts.TypeChecker;
  readonly types: TypeText;

  constructor(private readonly root: string) {
    const config = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile).config;
    const index = join(root, 'lib', 'index.ts');
    const program = ts.createProgram([index], ts.parseJsonConfigFileContent(config, ts.sys, root).options);
    this.checker = program.getTypeChecker();
    const source = program.getSourceFile(index);
    if (source === undefined) throw new Error(`there is no ${index}`);
    this.entries = this.#exportsOf(this.checker.getSymbolAtLocation(source) as ts.Symbol, '');
    const symbols = new Set(this.entries.map(entry => entry.symbol));
    this.types = new TypeText(this.checker, symbol => symbols.has(symbol));
  }

  #exportsOf(module: ts.Symbol, space: string): Entry[] {
    return this.checker.getExportsOfModule(module).flatMap(exported => {
      const symbol = exported.flags & ts.SymbolFlags.Alias ? this.checker.getAliasedSymbol(exported) : exported;
      if (symbol.flags & ts.SymbolFlags.ValueModule) return this.#exportsOf(symbol, `${space}${exported.name}.`);
      const [declaration] = symbol.declarations ?? [];
      if (declaration === undefined) throw new Error(`${space}${exported.name} is declared nowhere`);
      const file = relative(this.root, declaration.getSourceFile().fileName).replaceAll('\\', '/');
      return [{ name: exported.name, space, symbol, file }];
    });
  }

  textOf(symbol: ts.Symbol): string {
    return ts.displayPartsToString(symbol.getDocumentationComment(this.checker)).trim();
  }

  /** What can be called `name(…)`: the last of several signatures, which is the most general. */
  callOf(symbol: ts.Symbol): ts.SignatureDeclaration | undefined {
    const { valueDeclaration } = symbol;
    if (valueDeclaration === undefined || !ts.isVariableDeclaration(valueDeclaration))
      return symbol.declarations?.filter(ts.isFunctionDeclaration).at(-1);
    return this.#signatureOf(this.checker.getTypeOfSymbolAtLocation(symbol, valueDeclaration));
  }

  #signatureOf(type: ts.Type): ts.SignatureDeclaration | undefined {
    return type.getCallSignatures().at(-1)?.declaration as ts.SignatureDeclaration | undefined;
  }

  /** What `new` takes; undefined for what nobody makes. */
  constructorOf(symbol: ts.Symbol): ts.SignatureDeclaration | 'plain' | undefined {
    if ((symbol.flags & ts.SymbolFlags.Value) === 0 || symbol.valueDeclaration === undefined) return undefined;
    const type = this.checker.getTypeOfSymbolAtLocation(symbol, symbol.valueDeclaration);
    const declaration = type.getConstructSignatures().at(-1)?.declaration;
    if (declaration === undefined) return type.getConstructSignatures().length > 0 ? 'plain' : undefined;
    if (ts.getJSDocTags(declaration).some(tag => tag.tagName.text === 'internal')) return undefined;
    return declaration as ts.SignatureDeclaration;
  }

  /** The declarations of a class or an interface, with those of its bases that the package does not export. */
  #declarationsOf(symbol: ts.Symbol): (ts.ClassDeclaration | ts.InterfaceDeclaration)[] {
    const own = (symbol.declarations ?? [])
      .filter(declaration => ts.isClassDeclaration(declaration) || ts.isInterfaceDeclaration(declaration))
      .filter(declaration => declaration.getSourceFile().fileName.startsWith(join(this.root, 'lib')));
    const bases = own
      .flatMap(({ heritageClauses = [] }) => heritageClauses.flatMap(({ types }) => [...types]))
      .flatMap(({ expression }) => this.checker.getSymbolAtLocation(expression) ?? [])
      .map(base => (base.flags & ts.SymbolFlags.Alias ? this.checker.getAliasedSymbol(base) : base));
    return [...own, ...bases.filter(base => !this.#isPublic(base)).flatMap(base => this.#declarationsOf(base))];
  }

  #isPublic(symbol: ts.Symbol): boolean {
    return this.entries.some(entry => entry.symbol === symbol);
  }

  /** How what is made is called, where it is: by its own `forward`, as the class or the interface declares it. */
  forwardOf(symbol: ts.Symbol): ts.SignatureDeclaration | undefined {
    const found = this.#declarationsOf(symbol)
      .flatMap((declaration): readonly ts.Declaration[] => [...declaration.members])
      .filter(member => ts.isMethodDeclaration(member) || ts.isMethodSignature(member));
    return found.find(member => member.name.getText() === 'forward');
  }

  /** The options that a function or a class takes as its last parameter, if they have a name. */
  optionsOf(declaration: ts.SignatureDeclaration): ts.Symbol | undefined {
    for (const { type } of declaration.parameters) {
      if (type === undefined || !ts.isTypeReferenceNode(type)) continue;
      const local = this.checker.getSymbolAtLocation(type.typeName);
      const symbol = local && local.flags & ts.SymbolFlags.Alias ? this.checker.getAliasedSymbol(local) : local;
      if (symbol !== undefined && this.isRecord(symbol)) return symbol;
    }
    return undefined;
  }

  /** Whether it is an interface of fields that are all optional or given: options. */
  isRecord(symbol: ts.Symbol): boolean {
    return (symbol.flags & ts.SymbolFlags.Interface) !== 0 && /(Options|Settings)$/.test(symbol.name);
  }

  /** All fields of options, those that they inherit last. */
  fieldsOf(symbol: ts.Symbol): Member[] {
    const type = this.checker.getDeclaredTypeOfSymbol(symbol);
    // Fields of the language's own types, such as an Error's options, have no text here.
    const isOwn = (field: ts.Symbol) => !field.declarations?.[0]?.getSourceFile().hasNoDefaultLib;
    return type
      .getProperties()
      .filter(isOwn)
      .map(field => this.#member(field));
  }

  /** The public members that a class or an interface declares itself. */
  membersOf(symbol: ts.Symbol): Member[] {
    const found = new Map<string, Member>();
    for (const declaration of this.#declarationsOf(symbol)) {
      for (const member of declaration.members) {
        const modifiers = ts.getCombinedModifierFlags(member);
        // A static name is what a class is called whose constructor has a type of its own.
        const isName = (modifiers & ts.ModifierFlags.Static) !== 0 && member.name?.getText() === 'name';
        const isHidden = (modifiers & hidden) !== 0 || isName;
        if (isHidden || member.name === undefined || !ts.isIdentifier(member.name)) continue;
        const of = this.checker.getSymbolAtLocation(member.name);
        if (of === undefined || skipped.has(of.name) || found.has(of.name)) continue;
        if (ts.isSetAccessor(member) || of.getJsDocTags(this.checker).some(tag => tag.name === 'internal')) continue;
        found.set(of.name, this.#member(of));
      }
      for (const of of this.#mappedInto(declaration)) if (!found.has(of.name)) found.set(of.name, this.#member(of));
      for (const field of declaration.members.filter(ts.isConstructorDeclaration).flatMap(made => made.parameters)) {
        const modifiers = ts.getCombinedModifierFlags(field);
        if ((modifiers & hidden) !== 0 || (modifiers & ts.ModifierFlags.Readonly) === 0) continue;
        const of = this.checker.getSymbolAtLocation(field.name);
        if (of !== undefined && !found.has(of.name)) found.set(of.name, this.#member(of));
      }
    }
    return [...found.values()];
  }

  /** The members that a declaration has from a type that is made of others. */
  #mappedInto(declaration: ts.ClassDeclaration | ts.InterfaceDeclaration): readonly ts.Symbol[] {
    return [...(declaration.heritageClauses ?? [])]
      .flatMap(({ types }) => [...types])
      .filter(({ expression }) => {
        const local = this.checker.getSymbolAtLocation(expression);
        const symbol = local && local.flags & ts.SymbolFlags.Alias ? this.checker.getAliasedSymbol(local) : local;
        return ((symbol?.flags ?? 0) & ts.SymbolFlags.TypeAlias) !== 0;
      })
      .flatMap(node => this.checker.getTypeFromTypeNode(node).getProperties());
  }

  #member(symbol: ts.Symbol): Member {
    const renamed = symbol.declarations?.find(ts.isExportSpecifier);
    const source = (renamed && this.checker.getExportSpecifierLocalTargetSymbol(renamed)) ?? symbol;
    const text = this.textOf(source);
    const declared = source.declarations?.find(
      declaration => ts.isMethodDeclaration(declaration) || ts.isMethodSignature(declaration),
    ) as ts.SignatureDeclaration | undefined;
    const isMapped = source.declarations?.every(ts.isVariableDeclaration) === true;
    // A function that is a method too has the tensor first.
    const called = source.declarations?.find(ts.isFunctionDeclaration);
    const method =
      declared ?? called ?? (isMapped ? this.#signatureOf(this.checker.getTypeOfSymbol(symbol)) : undefined);
    if (method === undefined) return { name: symbol.name, type: this.types.property(symbol), text };
    return {
      name: `${symbol.name}(${this.types.parameters(method, Number(method === called))})`,
      type: this.types.result(method),
      text,
    };
  }
}

/** What every class has of its own that is no part of how it is used. */
const skipped = new Set(['forward', 'describe', 'constructor', 'toString', 'rule', 'kept', 'settings']);
