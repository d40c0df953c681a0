import { deflateName, deflateParameter, type ExtensionTerms, readDeflateTerms } from '../shared/http/index.ts';
import type { CompressorFactory } from './compressor.ts';
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

/** zlib's raw deflate has no window of 256 bytes. */
const leastOwnBits = 9;
const mostBits = 15;

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

/** What a server answers to an offer. */
export interface DeflateAnswer {
  readonly parameters: DeflateParameters;
  readonly terms: ExtensionTerms;
}

/**
 * A server's answer to one offer of permessage-deflate, or null to decline it: its parameters are wrong or unknown, or
 * ask for what this side cannot do. Another offer may follow in the list.
 */
export function answerDeflateOffer(offer: ExtensionTerms, config: DeflateConfig): DeflateAnswer | null {
  const wanted = readDeflateTerms(offer);
  if (typeof wanted === 'string') return null;
  const own = Math.min(wanted.serverMaxWindowBits ?? mostBits, config.serverMaxWindowBits);
  if (own < leastOwnBits) return null;
  const { clientMaxWindowBits: asked } = wanted;
  // A client that does not know the parameter must not be given it; it may then use the largest window.
  const clientLimit = asked === null ? mostBits : config.clientMaxWindowBits;
  const theirs = Math.min(typeof asked === 'number' ? asked : mostBits, clientLimit);
  const parameters: DeflateParameters = {
    role: 'server',
    serverNoContextTakeover: wanted.serverNoContextTakeover || config.serverNoContextTakeover,
    // The client has offered to forget its context. Accepting that saves memory here.
    clientNoContextTakeover: wanted.clientNoContextTakeover || config.clientNoContextTakeover,
    serverMaxWindowBits: own,
    clientMaxWindowBits: theirs,
  };
  const answer: [string, string | null][] = [];
  if (parameters.serverNoContextTakeover) answer.push([deflateParameter.serverNoContextTakeover, null]);
  if (parameters.clientNoContextTakeover) answer.push([deflateParameter.clientNoContextTakeover, null]);
  if (wanted.serverMaxWindowBits !== null || own < mostBits) {
    answer.push([deflateParameter.serverMaxWindowBits, `${own}`]);
  }
  if (theirs < mostBits) answer.push([deflateParameter.clientMaxWindowBits, `${theirs}`]);
  return { parameters, terms: { name: deflateName, parameters: answer } };
}

/** A client's offer. It always says that it knows `client_max_window_bits`. */
export function deflateOffer(config: DeflateConfig): ExtensionTerms {
  const { serverMaxWindowBits: serverBits, clientMaxWindowBits: clientBits } = config;
  const parameters: [string, string | null][] = [];
  if (config.serverNoContextTakeover) parameters.push([deflateParameter.serverNoContextTakeover, null]);
  if (config.clientNoContextTakeover) parameters.push([deflateParameter.clientNoContextTakeover, null]);
  if (serverBits < mostBits) parameters.push([deflateParameter.serverMaxWindowBits, `${serverBits}`]);
  parameters.push([deflateParameter.clientMaxWindowBits, clientBits < mostBits ? `${clientBits}` : null]);
  return { name: deflateName, parameters };
}

/** What a server's answer to `deflateOffer` has settled, or what is wrong with it in words (RFC 7692 section 7.1). */
export function readDeflateAnswer(answer: ExtensionTerms, config: DeflateConfig): DeflateParameters | string {
  const given = readDeflateTerms(answer);
  if (typeof given === 'string') return given;
  if (config.serverNoContextTakeover && !given.serverNoContextTakeover) {
    return `${deflateParameter.serverNoContextTakeover} was asked for`;
  }
  const asked = config.serverMaxWindowBits;
  if (asked < mostBits && (given.serverMaxWindowBits ?? mostBits) > asked) {
    return `${deflateParameter.serverMaxWindowBits} must be at most ${asked}`;
  }
  const { clientMaxWindowBits: clientBits } = given;
  // Without a value it is an offer's parameter, not an answer's.
  if (clientBits === 'any') return `${deflateParameter.clientMaxWindowBits} has no value`;
  const most = config.clientMaxWindowBits;
  if (most < mostBits && clientBits !== null && clientBits > most) {
    return `${deflateParameter.clientMaxWindowBits} must be at most ${most}`;
  }
  return {
    role: 'client',
    serverNoContextTakeover: given.serverNoContextTakeover,
    clientNoContextTakeover: given.clientNoContextTakeover || config.clientNoContextTakeover,
    serverMaxWindowBits: given.serverMaxWindowBits ?? mostBits,
    clientMaxWindowBits: Math.min(clientBits ?? mostBits, most),
  };
}

/** Bits of the window that this side compresses with; below 9 it sends everything as it is, which is always allowed. */
export function ownWindowBits(parameters: DeflateParameters): number {
  return parameters.role === 'server' ? parameters.serverMaxWindowBits : parameters.clientMaxWindowBits;
}

export function canCompress(parameters: DeflateParameters): boolean {
  return ownWindowBits(parameters) >= leastOwnBits;
}
