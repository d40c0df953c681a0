import type { CompressorFactory } from './compressor.ts';
import type { ExtensionTerms } from './extension-header.ts';
import { optionInvalid, wholeNumber } from './frame-error.ts';

/** What was negotiated for permessage-deflate (RFC 7692 section 7.1). */
export interface DeflateParameters {
  readonly role: 'server' | 'client';
  /** The server forgets its context after each message. */
  readonly serverNoContextTakeover: boolean;
  readonly clientNoContextTakeover: boolean;
  /** Window of what the server sends, 8–15. */
  readonly serverMaxWindowBits: number;
  readonly clientMaxWindowBits: number;
}

/** How this side wants permessage-deflate. All may be left out. */
export interface DeflateOptions {
  /** zlib's level, 1 (fast) to 9 (small). Default 6. */
  readonly level?: number;
  /** Memory for compressing, 1–9; zlib's `memLevel`. Default 8. */
  readonly memLevel?: number;
  /** Shorter messages are sent as they are. Default 1,024. */
  readonly thresholdBytes?: number;
  /** The server forgets its context after each message: more bytes, less memory. A server says so, a client asks. */
  readonly serverNoContextTakeover?: boolean;
  /** The client forgets its context after each message. A server asks, a client says so. */
  readonly clientNoContextTakeover?: boolean;
  /** The server's window, 9–15. Default 15. */
  readonly serverMaxWindowBits?: number;
  /** The client's window, 9–15. Default 15. A server can ask for it only if the client says it can. */
  readonly clientMaxWindowBits?: number;
  /** What compresses. Default: `node:zlib`. */
  readonly compressor?: CompressorFactory;
}

/** `DeflateOptions`, complete. */
export interface DeflateConfig {
  readonly level: number;
  readonly memLevel: number;
  readonly thresholdBytes: number;
  readonly serverNoContextTakeover: boolean;
  readonly clientNoContextTakeover: boolean;
  readonly serverMaxWindowBits: number;
  readonly clientMaxWindowBits: number;
  readonly compressor: CompressorFactory | null;
}

export const deflateName = 'permessage-deflate';

const serverNoContext = 'server_no_context_takeover';
const clientNoContext = 'client_no_context_takeover';
const serverBits = 'server_max_window_bits';
const clientBits = 'client_max_window_bits';

/** zlib's raw deflate has no window of 256 bytes (checklist X-28). */
const leastOwnBits = 9;
const mostBits = 15;
const bitsForm = /^(?:8|9|1[0-5])$/;

/** Complete and checked; throws ERR_OPTION_INVALID. */
export function deflateConfig(options: DeflateOptions): DeflateConfig {
  const flag = (path: keyof DeflateOptions): boolean => {
    const given = options[path] ?? false;
    if (typeof given !== 'boolean') throw optionInvalid(`deflate.${path}`, given, 'true or false');
    return given;
  };
  const number = (path: keyof DeflateOptions, fallback: number, least: number, most: number): number =>
    wholeNumber(`deflate.${path}`, options[path] as number | undefined, fallback, least, most);
  const { compressor = null } = options;
  if (compressor !== null && typeof compressor !== 'function') {
    throw optionInvalid('deflate.compressor', compressor, 'a function that makes a compressor');
  }
  return {
    level: number('level', 6, 1, 9),
    memLevel: number('memLevel', 8, 1, 9),
    thresholdBytes: number('thresholdBytes', 1_024, 0, 0x7fff_ffff),
    serverNoContextTakeover: flag('serverNoContextTakeover'),
    clientNoContextTakeover: flag('clientNoContextTakeover'),
    serverMaxWindowBits: number('serverMaxWindowBits', mostBits, leastOwnBits, mostBits),
    clientMaxWindowBits: number('clientMaxWindowBits', mostBits, leastOwnBits, mostBits),
    compressor,
  };
}

interface Terms {
  readonly serverNoContext: boolean;
  readonly clientNoContext: boolean;
  /** Null: not given. */
  readonly serverBits: number | null;
  /** Null: not given; true: given without a value. */
  readonly clientBits: number | true | null;
}

/** The parameters by their meaning, or what is wrong with them in words. */
function readTerms(terms: ExtensionTerms): Terms | string {
  const values = new Map<string, string | null>();
  for (const [name, value] of terms.parameters) {
    if (values.has(name)) return `${name} is given twice`;
    values.set(name, value);
    if (name === serverNoContext || name === clientNoContext) {
      if (value !== null) return `${name} has a value`;
    } else if (name === serverBits || name === clientBits) {
      if (value === null ? name === serverBits : !bitsForm.test(value)) return `${name} is not a number from 8 to 15`;
    } else {
      return `${name} is unknown`;
    }
  }
  const server = values.get(serverBits);
  const client = values.get(clientBits);
  return {
    serverNoContext: values.has(serverNoContext),
    clientNoContext: values.has(clientNoContext),
    serverBits: server == null ? null : Number(server),
    clientBits: client === undefined ? null : client === null ? true : Number(client),
  };
}

/** What a server answers to an offer. */
export interface DeflateAnswer {
  readonly parameters: DeflateParameters;
  readonly terms: ExtensionTerms;
}

/**
 * A server's answer to one offer of permessage-deflate, or null to decline it: its parameters are wrong or unknown, or
 * ask for what this side cannot do. Another offer may follow in the list (checklist G-71, G-72, X-28, H-27).
 */
export function answerDeflateOffer(offer: ExtensionTerms, config: DeflateConfig): DeflateAnswer | null {
  const wanted = readTerms(offer);
  if (typeof wanted === 'string') return null;
  const own = Math.min(wanted.serverBits ?? mostBits, config.serverMaxWindowBits);
  if (own < leastOwnBits) return null;
  // A client that does not know the parameter must not be given it; it may then use the largest window.
  const clientLimit = wanted.clientBits === null ? mostBits : config.clientMaxWindowBits;
  const theirs = Math.min(typeof wanted.clientBits === 'number' ? wanted.clientBits : mostBits, clientLimit);
  const parameters: DeflateParameters = {
    role: 'server',
    serverNoContextTakeover: wanted.serverNoContext || config.serverNoContextTakeover,
    // A client that says it will forget is taken at its word, which saves memory here.
    clientNoContextTakeover: wanted.clientNoContext || config.clientNoContextTakeover,
    serverMaxWindowBits: own,
    clientMaxWindowBits: theirs,
  };
  const answer: [string, string | null][] = [];
  if (parameters.serverNoContextTakeover) answer.push([serverNoContext, null]);
  if (parameters.clientNoContextTakeover) answer.push([clientNoContext, null]);
  if (wanted.serverBits !== null || own < mostBits) answer.push([serverBits, `${own}`]);
  if (theirs < mostBits) answer.push([clientBits, `${theirs}`]);
  return { parameters, terms: { name: deflateName, parameters: answer } };
}

/** A client's offer. It always says that it knows `client_max_window_bits`. */
export function deflateOffer(config: DeflateConfig): ExtensionTerms {
  const parameters: [string, string | null][] = [];
  if (config.serverNoContextTakeover) parameters.push([serverNoContext, null]);
  if (config.clientNoContextTakeover) parameters.push([clientNoContext, null]);
  if (config.serverMaxWindowBits < mostBits) parameters.push([serverBits, `${config.serverMaxWindowBits}`]);
  parameters.push([clientBits, config.clientMaxWindowBits < mostBits ? `${config.clientMaxWindowBits}` : null]);
  return { name: deflateName, parameters };
}

/** What a server's answer to `deflateOffer` has settled, or what is wrong with it in words (RFC 7692 section 7.1). */
export function readDeflateAnswer(answer: ExtensionTerms, config: DeflateConfig): DeflateParameters | string {
  const given = readTerms(answer);
  if (typeof given === 'string') return given;
  if (config.serverNoContextTakeover && !given.serverNoContext) return `${serverNoContext} was asked for`;
  const asked = config.serverMaxWindowBits;
  if (asked < mostBits && (given.serverBits ?? mostBits) > asked) return `${serverBits} must be at most ${asked}`;
  // Without a value it is an offer's parameter, not an answer's.
  if (given.clientBits === true) return `${clientBits} has no value`;
  const most = config.clientMaxWindowBits;
  if (most < mostBits && given.clientBits !== null && given.clientBits > most) {
    return `${clientBits} must be at most ${most}`;
  }
  return {
    role: 'client',
    serverNoContextTakeover: given.serverNoContext,
    clientNoContextTakeover: given.clientNoContext || config.clientNoContextTakeover,
    serverMaxWindowBits: given.serverBits ?? mostBits,
    clientMaxWindowBits: Math.min(given.clientBits ?? mostBits, most),
  };
}

/** Bits of the window that this side compresses with; below 9 it sends everything as it is, which is always allowed. */
export function ownWindowBits(parameters: DeflateParameters): number {
  return parameters.role === 'server' ? parameters.serverMaxWindowBits : parameters.clientMaxWindowBits;
}

export function canCompress(parameters: DeflateParameters): boolean {
  return ownWindowBits(parameters) >= leastOwnBits;
}
