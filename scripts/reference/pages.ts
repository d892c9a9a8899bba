import ts from 'typescript-5.9';
import type { Entry, Member, Package } from './symbols.js';

/** Ends what is written by hand on the page that lists the others. */
const LIST = '<!-- The rest is made by `npm run reference`. -->';
/** Ends what is written by hand on another; names the files whose exports follow. */
const MARKER = /^<!-- The rest is made from the doc comments of (.*) by `npm run reference`\. -->$/m;

export interface Page {
  readonly name: string;
  readonly text: string;
}

/** Text of a doc comment as Markdown: line breaks of the source are none, and its formulas are no markup. */
function prose(text: string): string {
  return text
    .split(/(```.*?```)/s)
    .map((part, i) =>
      i % 2 === 1
        ? part.replace('```ts\n', '```typescript\n')
        : escaped(part).replaceAll(/(?<!\n)\n(?!\n|- |\|)/g, ' '),
    )
    .join('');
}

function escaped(text: string): string {
  return text
    .split(/(`[^`]*`)/)
    .map((part, i) => (i % 2 === 1 ? part : part.replaceAll(/[<>_]/g, '\\$&')))
    .join('');
}

const inCell = (text: string) => text.replaceAll('\n', ' ').replaceAll('|', '\\|');
const code = (text: string) => `\`${text}\``;

function table(heading: string, members: readonly Member[]): string {
  if (members.length === 0) return '';
  const rows = members.map(
    ({ name, type, text }) => `| ${[code(name), code(type), prose(text)].map(inCell).join(' | ')} |`,
  );
  return [`| ${heading} | type | |`, '|---|---|---|', ...rows].join('\n');
}

class Renderer {
  /** Options that the page has told already, by what takes them. */
  readonly #told = new Map<ts.Symbol, string>();

  constructor(private readonly from: Package) {}

  /** Everything that some files export, in the order of their declaration. */
  page(entries: readonly Entry[]): string {
    const owned = new Set(entries.map(({ symbol }) => symbol).filter(symbol => this.#isOwned(symbol, entries)));
    return entries
      .filter(({ symbol }) => !owned.has(symbol))
      .map(entry => this.#section(entry))
      .join('\n\n');
  }

  /** Whether it is told with what takes it. */
  #isOwned(symbol: ts.Symbol, entries: readonly Entry[]): boolean {
    return this.from.isRecord(symbol) && entries.some(entry => this.#optionsOf(entry) === symbol);
  }

  #optionsOf({ symbol }: Entry): ts.Symbol | undefined {
    const call = this.from.callOf(symbol);
    const made = this.from.constructorOf(symbol);
    if (call !== undefined) return this.from.optionsOf(call);
    return made === undefined || made === 'plain' ? undefined : this.from.optionsOf(made);
  }

  #section(entry: Entry): string {
    const { name, space, symbol } = entry;
    const heading = `### ${space}${name}`;
    const parts = [heading, this.#signature(entry), prose(this.from.textOf(symbol)), this.#options(entry)];
    if (this.from.isRecord(symbol)) parts.push(table('option', this.from.fieldsOf(symbol)));
    else parts.push(table('member', this.#members(entry)));
    return parts.filter(part => part !== '').join('\n\n');
  }

  /** Its members, without those that only give an option or an argument back. */
  #members(entry: Entry): Member[] {
    const options = this.#optionsOf(entry);
    const made = this.from.constructorOf(entry.symbol);
    const given = new Set(options === undefined ? [] : this.from.fieldsOf(options).map(field => field.name));
    if (made !== undefined && made !== 'plain') for (const { name } of made.parameters) given.add(name.getText());
    return this.from.membersOf(entry.symbol).filter(({ name, text }) => text !== '' || !given.has(name));
  }

  #signature({ name, space, symbol }: Entry): string {
    const { types } = this.from;
    const func = this.from.callOf(symbol);
    const fence = (text: string) => `\`\`\`typescript\n${text}\n\`\`\``;
    if (func !== undefined) return fence(`${space}${name}(${types.parameters(func)}): ${types.result(func)}`);
    const made = this.from.constructorOf(symbol);
    const forward = this.from.forwardOf(symbol);
    const call = forward && `${callee(name)}(${types.parameters(forward)}): ${types.result(forward)}`;
    if (made !== undefined && !this.#isAbstract(symbol) && !name.endsWith('Error')) {
      const making = `new ${space}${name}(${made === 'plain' ? '' : types.parameters(made)})`;
      return fence(call === undefined || space === 'autograd.' ? making : `${making}\n${call}`);
    }
    if (call !== undefined && space !== 'autograd.' && !/any\[\]/.test(call)) return fence(call);
    const alias = symbol.declarations?.find(ts.isTypeAliasDeclaration);
    const text = alias === undefined ? '' : types.of(alias.type);
    return text === '' ? '' : fence(`type ${name} = ${text}`);
  }

  #isAbstract(symbol: ts.Symbol): boolean {
    return (symbol.declarations ?? []).some(
      declaration => (ts.getCombinedModifierFlags(declaration) & ts.ModifierFlags.Abstract) !== 0,
    );
  }

  #options(entry: Entry): string {
    const options = this.#optionsOf(entry);
    if (options === undefined) return '';
    const told = this.#told.get(options);
    if (told !== undefined) return `Options as [${told}](#${anchor(told)})'s.`;
    this.#told.set(options, `${entry.space}${entry.name}`);
    return table('option', this.from.fieldsOf(options));
  }
}

/** What a layer or a loss is called where it is called. */
function callee(name: string): string {
  return /^[A-Z]+$/.test(name)
    ? name.toLowerCase()
    : name.replace(/^[A-Z]+(?=[A-Z]|$)|^[A-Z]/, start => start.toLowerCase());
}

/** What a heading's link is on GitHub. */
export function anchor(heading: string): string {
  return heading.toLowerCase().replaceAll(/[^\w-]/g, '');
}

const INDEX = 'README.md';

/** The pages as they should be: what is written by hand, then what the doc comments of their files say. */
export function renderPages(from: Package, pages: readonly Page[]): Page[] {
  const left = new Set(from.entries);
  const listed: string[] = [];
  const rendered = pages
    .filter(({ name }) => name !== INDEX)
    .map(({ name, text }) => {
      const match = MARKER.exec(text);
      if (match === null) throw new Error(`${name} does not tell which files it is made from`);
      const files = [...(match[1] as string).matchAll(/`([^`]+)`/g)].map(found => found[1] as string);
      const entries = files.flatMap(file => exportsOf(from, file, name));
      for (const entry of entries) {
        if (!left.delete(entry)) throw new Error(`${name}: ${entry.space}${entry.name} is on another page already`);
      }
      const title = /^# (.*)$/m.exec(text)?.[1];
      const page = new Renderer(from).page(entries);
      const links = entries
        .filter(entry => page.includes(`### ${entry.space}${entry.name}\n`))
        .map(entry => `[${entry.space}${entry.name}](${name}#${anchor(entry.space + entry.name)})`);
      listed.push(`## [${title}](${name})\n\n${links.join(' · ')}`);
      const head = text.slice(0, match.index + match[0].length);
      return { name, text: `${head}\n\n${page}\n` };
    });
  if (left.size > 0) {
    const names = [...left].map(entry => `${entry.space}${entry.name} of ${entry.file}`);
    throw new Error(`no page of docs/reference tells of ${names.join(', ')}`);
  }
  const [head] = pages.find(({ name }) => name === INDEX)?.text.split(LIST) ?? [];
  return [...rendered, { name: INDEX, text: `${head}${LIST}\n\n${listed.join('\n\n')}\n` }];
}

function exportsOf(from: Package, file: string, page: string): Entry[] {
  const entries = from.entries.filter(entry => entry.file === file);
  if (entries.length === 0) throw new Error(`${page}: ${file} exports nothing public`);
  return entries;
}
