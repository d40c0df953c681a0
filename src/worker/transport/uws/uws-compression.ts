import * as library from 'uWebSockets.js';
import { type DeflateTerms, deflateName, deflateParameter } from '../../../shared/http/index.ts';
import { readDeflateOffers } from './deflate-offers.ts';

/** The two ways in which the library can compress for a connection, as values of its option `compression`. */
export interface UwsCompressors {
  /** A compressor of the connection's own, which keeps earlier messages as context. Null: none at this level. */
  readonly dedicated: number | null;
  /** A compressor that starts afresh with each message, with memory that all connections of a thread share. */
  readonly shared: number;
  /** The window that inflates a client's messages; null: each message by itself. */
  readonly inflateBits: number | null;
}

export interface UwsAgreement {
  readonly compressor: 'dedicated' | 'shared';
  /** The offer to give to the library, chosen so that its answer is also valid for the client's real offer. */
  readonly offer: string;
}

/**
 * Read from the library at run time: its declarations have them as types only, and their values change with versions.
 */
function constant(name: string): number {
  const value: unknown = Reflect.get(library, name);
  if (typeof value !== 'number') throw new TypeError(`uWebSockets.js has no ${name}`);
  return value;
}

function withDedicated(compressor: string, decompressor: string, inflateBits: number): UwsCompressors {
  return {
    dedicated: constant(compressor) | constant(decompressor),
    shared: constant('SHARED_COMPRESSOR') | constant(decompressor),
    inflateBits,
  };
}

/**
 * The library knows no levels, only how much a connection may remember. A decompressor is named after
 * its window, and costs little beside a compressor: so the higher the level, the more of both.
 */
export function compressorsOf(level: number): UwsCompressors {
  if (level <= 3) {
    const shared = constant('SHARED_COMPRESSOR') | constant('SHARED_DECOMPRESSOR');
    return { dedicated: null, shared, inflateBits: null };
  }
  if (level <= 6) return withDedicated('DEDICATED_COMPRESSOR_8KB', 'DEDICATED_DECOMPRESSOR_4KB', 12);
  return withDedicated('DEDICATED_COMPRESSOR_32KB', 'DEDICATED_DECOMPRESSOR_32KB', 15);
}

/** Zlib cannot deflate raw data with a window of 8 bits: the library would answer with 9. */
const leastWindowBits = 9;

/** Which of the compressors can do what the offer demands; null: none. */
function compressorFor(offer: DeflateTerms, { dedicated }: UwsCompressors): UwsAgreement['compressor'] | null {
  const { serverNoContextTakeover, serverMaxWindowBits } = offer;
  if (dedicated === null || serverNoContextTakeover) {
    // The shared compressor has the largest window, and the library would not answer the demand for a smaller one.
    return serverMaxWindowBits === null ? 'shared' : null;
  }
  return serverMaxWindowBits === null || serverMaxWindowBits >= leastWindowBits ? 'dedicated' : null;
}

function offerText(offer: DeflateTerms, inflateBits: number | null): string {
  const { serverNoContextTakeover, clientNoContextTakeover, serverMaxWindowBits, clientMaxWindowBits } = offer;
  let text: string = deflateName;
  if (serverNoContextTakeover) text += `; ${deflateParameter.serverNoContextTakeover}`;
  if (clientNoContextTakeover) text += `; ${deflateParameter.clientNoContextTakeover}`;
  if (serverMaxWindowBits !== null) text += `; ${deflateParameter.serverMaxWindowBits}=${serverMaxWindowBits}`;
  if (inflateBits === null || clientMaxWindowBits === null) return text;
  if (clientMaxWindowBits === 'any') return `${text}; ${deflateParameter.clientMaxWindowBits}`;
  // Nobody can deflate with 8: left out, which asks the client for nothing.
  if (clientMaxWindowBits < leastWindowBits) return text;
  return `${text}; ${deflateParameter.clientMaxWindowBits}=${Math.min(clientMaxWindowBits, inflateBits)}`;
}

/**
 * Chooses among a client's offers. The library matches offers by a checksum of their words, and answers some in ways
 * that RFC 7692 section 7.1 forbids: it ignores `server_no_context_takeover`, unknown and repeated parameters, and
 * speaks an extension of old browsers. So it gets only offers that it answers correctly. Null: no compression.
 */
export function agreeOnCompression(header: string | undefined, compressors: UwsCompressors): UwsAgreement | null {
  if (header === undefined) return null;
  for (const offer of readDeflateOffers(header)) {
    const compressor = compressorFor(offer, compressors);
    if (compressor !== null) return { compressor, offer: offerText(offer, compressors.inflateBits) };
  }
  return null;
}
