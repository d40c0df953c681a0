import { isToken, tokenPattern } from './token.ts';

/** One extension of a `Sec-WebSocket-Extensions` header, with its parameters in order (RFC 6455 section 9.1). */
export interface ExtensionTerms {
  readonly name: string;
  /** A parameter without a value has null. One that is given twice is there twice. */
  readonly parameters: readonly (readonly [name: string, value: string | null])[];
}

// Linear: each pattern is tried only where the scanner stands. The two branches of the second begin with different
// characters, so there is at most one way to match.
const tokenHere = new RegExp(tokenPattern, 'y');
const quotedHere = /"((?:[^"\\]|\\[\x20-\x7e\t])*)"/y;

/** Steps over the text of one header, and never goes back. */
class Scanner {
  readonly #text: string;
  at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  #spaces(): void {
    while (this.#text[this.at] === ' ' || this.#text[this.at] === '\t') this.at += 1;
  }

  get isAtEnd(): boolean {
    this.#spaces();
    return this.at === this.#text.length;
  }

  /** Takes a single character, if it is the next one. */
  take(character: string): boolean {
    this.#spaces();
    if (this.#text[this.at] !== character) return false;
    this.at += 1;
    return true;
  }

  token(): string | null {
    this.#spaces();
    tokenHere.lastIndex = this.at;
    const found = tokenHere.exec(this.#text)?.[0] ?? null;
    this.at += found?.length ?? 0;
    return found;
  }

  /** A token, or one in quotes: what stands in quotes must be a token as well. */
  value(): string | null {
    this.#spaces();
    if (this.#text[this.at] !== '"') return this.token();
    quotedHere.lastIndex = this.at;
    const found = quotedHere.exec(this.#text);
    if (found === null) return null;
    this.at += found[0].length;
    const value = (found[1] ?? '').replaceAll(/\\(.)/g, '$1');
    return isToken(value) ? value : null;
  }
}

/**
 * The extensions that a header names, in order; null if it is not in the form that RFC 6455 gives. Linear: the scanner
 * never goes back.
 */
export function parseExtensions(header: string): ExtensionTerms[] | null {
  const scanner = new Scanner(header);
  const all: ExtensionTerms[] = [];
  for (;;) {
    // Empty elements of a list are allowed and mean nothing (RFC 9110 section 5.6.1).
    while (scanner.take(','));
    if (scanner.isAtEnd) return all;
    const name = scanner.token();
    if (name === null) return null;
    const parameters: [string, string | null][] = [];
    while (scanner.take(';')) {
      const parameter = scanner.token();
      if (parameter === null) return null;
      let value: string | null = null;
      if (scanner.take('=')) {
        value = scanner.value();
        if (value === null) return null;
      }
      parameters.push([parameter, value]);
    }
    all.push({ name, parameters });
    if (!scanner.isAtEnd && !scanner.take(',')) return null;
  }
}

/** The value of a header that names these extensions, without spaces. */
export function formatExtensions(all: readonly ExtensionTerms[]): string {
  const parts = all.map(({ name, parameters }) =>
    [name, ...parameters.map(([key, value]) => (value === null ? key : `${key}=${value}`))].join(';'),
  );
  return parts.join(',');
}
