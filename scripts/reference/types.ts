import ts from 'typescript-5.9';

/** Types as a reader wants them: without what only carries shapes through the type checker. */
export class TypeText {
  constructor(
    private readonly checker: ts.TypeChecker,
    /** What the package exports. */
    private readonly isPublic: (symbol: ts.Symbol) => boolean,
  ) {}

  /** A type's text; '' for one that only checks. */
  of(node: ts.TypeNode | undefined): string {
    if (node === undefined) return '';
    if (ts.isTypeReferenceNode(node)) return this.#reference(node);
    if (ts.isUnionTypeNode(node)) return this.#joined(node.types, ' | ');
    if (ts.isIntersectionTypeNode(node)) return this.#joined(node.types, ' & ');
    if (ts.isParenthesizedTypeNode(node)) return this.#grouped(this.of(node.type));
    if (ts.isTypeOperatorNode(node)) return this.#operator(node);
    if (ts.isArrayTypeNode(node)) return `${this.#grouped(this.of(node.elementType))}[]`;
    if (ts.isTupleTypeNode(node)) return this.#tuple(node);
    if (ts.isNamedTupleMember(node)) return `${node.name.text}${node.questionToken ? '?' : ''}: ${this.of(node.type)}`;
    if (ts.isOptionalTypeNode(node)) return `${this.of(node.type)}?`;
    if (ts.isRestTypeNode(node)) return `...${this.of(node.type)}`;
    if (ts.isTypeLiteralNode(node)) return this.#literal(node.members);
    if (ts.isFunctionTypeNode(node)) return `(${this.parameters(node)}) => ${this.of(node.type)}`;
    if (ts.isTypePredicateNode(node)) return 'boolean';
    if (ts.isMappedTypeNode(node)) return this.#mapped(node);
    if (ts.isConditionalTypeNode(node)) return this.#either(node);
    if (ts.isIndexedAccessTypeNode(node)) return '';
    return node.getText().replaceAll(/\s+/g, ' ');
  }

  /** `x: Tensor, axis?: number`; `from`: the first that counts. */
  parameters(node: ts.SignatureDeclaration, from = 0): string {
    return node.parameters
      .slice(from)
      .filter(parameter => parameter.name.getText() !== 'this')
      .map(parameter => {
        if (ts.isArrayBindingPattern(parameter.name))
          return parameter.name.elements.map(element => element.getText()).join(', ');
        const rest = parameter.dotDotDotToken ? '...' : '';
        const optional = parameter.questionToken || parameter.initializer ? '?' : '';
        const type = this.of(parameter.type) || (parameter.initializer ? this.#inferred(parameter) : 'unknown');
        return `${rest}${parameter.name.getText()}${optional}: ${type}`;
      })
      .join(', ');
  }

  /** What a signature returns. */
  result(node: ts.SignatureDeclaration): string {
    const text = this.of(node.type);
    if (text !== '') return text;
    const signature = this.checker.getSignatureFromDeclaration(node);
    return signature === undefined ? 'void' : this.checker.typeToString(signature.getReturnType());
  }

  /** The type of a property, as declared or inferred. */
  property(symbol: ts.Symbol): string {
    const declaration = symbol.valueDeclaration ?? symbol.declarations?.[0];
    const node = declaration && 'type' in declaration ? (declaration.type as ts.TypeNode | undefined) : undefined;
    const text = this.of(node);
    if (text !== '') return text;
    return declaration === undefined
      ? ''
      : this.checker.typeToString(this.checker.getTypeOfSymbolAtLocation(symbol, declaration));
  }

  #inferred(parameter: ts.ParameterDeclaration): string {
    return this.checker.typeToString(this.checker.getTypeAtLocation(parameter));
  }

  #grouped(text: string): string {
    return / [|&] |=>/.test(text) && !/^[{(]/.test(text) ? `(${text})` : text;
  }

  #joined(nodes: readonly ts.TypeNode[], by: string): string {
    const texts = nodes
      .filter(node => node.kind !== ts.SyntaxKind.UndefinedKeyword)
      .map(node => this.of(node))
      .filter(text => text !== '');
    // `{ axis?: number } & { keepdims?: boolean }` is one object.
    if (by === ' & ' && texts.every(text => text.startsWith('{'))) return texts.join('').replaceAll(' }{ ', '; ');
    return [...new Set(texts)].join(by);
  }

  #operator(node: ts.TypeOperatorNode): string {
    const text = this.of(node.type);
    if (node.operator === ts.SyntaxKind.KeyOfKeyword) return this.#choices(node) ?? `keyof ${text}`;
    return /\[\]$|^\[/.test(text) ? `readonly ${text}` : text;
  }

  /** The names that a type stands for, where it stands for names. */
  #choices(node: ts.TypeNode): string | undefined {
    const type = this.checker.getTypeFromTypeNode(node);
    const names = (type.isUnion() ? type.types : [type]).filter(one => one.isStringLiteral());
    return names.length === 0 ? undefined : names.map(one => `'${one.value}'`).join(' | ');
  }

  #tuple(node: ts.TupleTypeNode): string {
    const [only] = node.elements;
    // `[...{ [I in keyof L]: … }]` is a list L, checked element by element.
    if (node.elements.length === 1 && only !== undefined && ts.isRestTypeNode(only) && ts.isMappedTypeNode(only.type))
      return this.of(only.type).replace(/^readonly /, '');
    return `[${node.elements.map(element => this.of(element)).join(', ')}]`;
  }

  /** Both ends of a choice between plain types; a choice that checks is nothing. */
  #either({ trueType, falseType }: ts.ConditionalTypeNode): string {
    const ends = [trueType, falseType].map(end => (ts.isToken(end) ? end.getText() : ''));
    return ends.every(end => /^(number|boolean|string)$/.test(end)) ? ends.sort().join(' | ') : '';
  }

  #mapped(node: ts.MappedTypeNode): string {
    const over = node.typeParameter.constraint;
    if (over === undefined || !ts.isTypeOperatorNode(over) || over.operator !== ts.SyntaxKind.KeyOfKeyword) return '';
    return this.of(over.type);
  }

  #literal(members: ts.NodeArray<ts.TypeElement>): string {
    const texts = members.map(member => {
      if (!ts.isPropertySignature(member)) return member.getText();
      return `${member.name.getText()}${member.questionToken ? '?' : ''}: ${this.of(member.type)}`;
    });
    return `{ ${texts.join('; ')} }`;
  }

  #reference(node: ts.TypeReferenceNode): string {
    const name = node.typeName.getText();
    if (name === 'Omit') return node.getText();
    if (name === 'NoInfer' || name === 'Readonly') return this.of(node.typeArguments?.[0]);
    if (['ReadonlyMap', 'Map', 'Iterable', 'Iterator', 'Promise', 'Record'].includes(name))
      return `${name}<${(node.typeArguments ?? []).map(argument => this.of(argument)).join(', ')}>`;
    const local = this.checker.getSymbolAtLocation(node.typeName);
    if (local === undefined) return name;
    if (name === 'Sh') return 'Shape';
    const symbol = local.flags & ts.SymbolFlags.Alias ? this.checker.getAliasedSymbol(local) : local;
    if (name === 'Tensor' || this.isPublic(symbol)) return symbol.name;
    const declaration = symbol.declarations?.[0];
    const bound = this.#bound.get(symbol);
    if (bound !== undefined) return bound;
    if (declaration === undefined || this.#within.includes(symbol)) return name;
    this.#bind(declaration, node.typeArguments ?? []);
    this.#within.push(symbol);
    try {
      return this.#resolved(symbol, declaration);
    } finally {
      this.#within.pop();
    }
  }

  /** What type parameters stand for in what is being resolved. */
  readonly #bound = new Map<ts.Symbol, string>();

  #bind(declaration: ts.Declaration, given: readonly ts.TypeNode[]): void {
    if (!ts.isTypeAliasDeclaration(declaration) && !ts.isInterfaceDeclaration(declaration)) return;
    const texts = given.map(node => this.of(node));
    declaration.typeParameters?.forEach((parameter, i) => {
      const symbol = this.checker.getSymbolAtLocation(parameter.name);
      if (symbol !== undefined && texts[i] !== undefined) this.#bound.set(symbol, texts[i]);
    });
  }

  /** What is being resolved: types may name themselves. */
  readonly #within: ts.Symbol[] = [];

  #resolved(symbol: ts.Symbol, declaration: ts.Declaration): string {
    if (ts.isTypeParameterDeclaration(declaration)) return this.of(declaration.constraint) || symbol.name;
    if (ts.isTypeAliasDeclaration(declaration)) return this.of(declaration.type);
    if (ts.isInterfaceDeclaration(declaration) && /(Options?|Common)$/.test(symbol.name)) {
      const fields = this.checker.getDeclaredTypeOfSymbol(symbol).getProperties();
      const texts = fields.map(field => {
        const optional = field.flags & ts.SymbolFlags.Optional ? '?' : '';
        return `${field.name}${optional}: ${this.property(field)}`;
      });
      return `{ ${texts.join('; ')} }`;
    }
    return symbol.name;
  }
}
