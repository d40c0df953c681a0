/** What one offer of permessage-deflate asks for (RFC 7692 section 7.1). */
export interface DeflateOffer {
  readonly serverNoContextTakeover: boolean;
  readonly clientNoContextTakeover: boolean;
  /** The largest window that the client can inflate; null: any. */
  readonly serverMaxWindowBits: number | null;
  /** The largest window that the client would use if asked; 'any': it named no number; null: it cannot be asked. */
  readonly clientMaxWindowBits: number | 'any' | null;
}

/** A parameter's value is null if it has none. */
type Parameters = readonly (readonly [name: string, value: string | null])[];

// Each pattern is tried only where the cursor stands, and the branches of the last begin with different characters, so
// there is one way to match. Each is linear, and the cursor never goes back.
const spacePattern = /[ \t]*/y;
const tokenPattern = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y;
const quotedPattern = /"((?:[^"\\]|\\.)*)"/y;
/** Decimal, without a leading zero (RFC 7692 section 7.1.2). */
const windowBitsForm = /^(?:[89]|1[0-5])$/;

/** Steps over the text of one header. */
class Cursor {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#text.length;
  }

  /** Passes over `character` and the blanks around it, if it comes next. */
  take(character: string): boolean {
    this.#match(spacePattern);
    if (this.#text[this.#at] !== character) return false;
    this.#at += 1;
    this.#match(spacePattern);
    return true;
  }

  token(): string | null {
    return this.#match(tokenPattern)?.[0] ?? null;
  }

  /** A token, as it is or in quotes: RFC 6455 section 9.1 allows nothing else in them. */
  value(): string | null {
    const quoted = this.#match(quotedPattern);
    if (quoted === null) return this.token();
    const inner = (quoted[1] ?? '').replaceAll(/\\(.)/g, '$1');
    return new Cursor(inner).token() === inner ? inner : null;
  }

  #match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    if (found !== null) this.#at = pattern.lastIndex;
    return found;
  }
}

/** The parameters of an extension whose name was read; null: a syntax error. */
function readParameters(cursor: Cursor): Parameters | null {
  const parameters: [string, string | null][] = [];
  while (cursor.take(';')) {
    const name = cursor.token();
    if (name === null) return null;
    const hasValue = cursor.take('=');
    const value = hasValue ? cursor.value() : null;
    if (hasValue && value === null) return null;
    parameters.push([name, value]);
  }
  return parameters;
}

/** Null: an unknown parameter, one that is given twice, or a wrong value. Such an offer must be declined. */
function deflateOffer(parameters: Parameters): DeflateOffer | null {
  const given = new Map(parameters);
  if (given.size !== parameters.length) return null;
  for (const [name, value] of parameters) {
    switch (name) {
      case 'server_no_context_takeover':
      case 'client_no_context_takeover':
        if (value !== null) return null;
        break;
      case 'server_max_window_bits':
        if (value === null || !windowBitsForm.test(value)) return null;
        break;
      case 'client_max_window_bits':
        if (value !== null && !windowBitsForm.test(value)) return null;
        break;
      default:
        return null;
    }
  }
  const serverBits = given.get('server_max_window_bits');
  const clientBits = given.get('client_max_window_bits');
  return {
    serverNoContextTakeover: given.has('server_no_context_takeover'),
    clientNoContextTakeover: given.has('client_no_context_takeover'),
    serverMaxWindowBits: typeof serverBits === 'string' ? Number(serverBits) : null,
    clientMaxWindowBits: clientBits === undefined ? null : clientBits === null ? 'any' : Number(clientBits),
  };
}

/**
 * The acceptable offers of permessage-deflate in a `Sec-WebSocket-Extensions` header, in the client's order of
 * preference. A header that breaks the grammar of RFC 6455 section 9.1 offers nothing.
 */
export function readDeflateOffers(header: string): readonly DeflateOffer[] {
  const cursor = new Cursor(header);
  const offers: DeflateOffer[] = [];
  do {
    // Elements of a list may be empty (RFC 9110 section 5.6.1).
    while (cursor.take(','));
    if (cursor.isAtEnd) break;
    const name = cursor.token();
    const parameters = name === null ? null : readParameters(cursor);
    if (parameters === null) return [];
    const offer = name === 'permessage-deflate' ? deflateOffer(parameters) : null;
    if (offer !== null) offers.push(offer);
  } while (cursor.take(','));
  return cursor.isAtEnd ? offers : [];
}
