import * as library from 'uWebSockets.js';
import { type DeflateTerms, deflateName, deflateParameter } from '../../../shared/http/index.ts';
import { readDeflateOffers } from './deflate-offers.ts';

/** The two ways in which the library can compress for a connection, as values of its option `compression`. */
export interface UwsCompressors {
  /** Keeps what was sent before in mind. Null: none does at this level. */
  readonly dedicated: number | null;
  /** Begins anew with each message, with memory that all connections of a thread share. */
  readonly shared: number;
  /** Of the window that inflates what a client sends; null: each message by itself. */
  readonly inflateBits: number | null;
}

export interface UwsAgreement {
  readonly compressor: 'dedicated' | 'shared';
  /** What to show the library as the client's offer, so that its answer is one to the real offer too. */
  readonly offer: string;
}

/** Named by the library at run time only: its declarations give them as types, and their values change with versions. */
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
    // The shared one has the largest window, and the library would leave the demand for a smaller one unanswered.
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
 * Chooses among a client's offers. The library reads offers by a checksum of their words and answers some of them in
 * ways that RFC 7692 section 7.1 forbids: it ignores `server_no_context_takeover`, unknown parameters and repeated ones,
 * and speaks an extension of old browsers. So it is only shown what it answers rightly. Null: no compression.
 */
export function agreeOnCompression(header: string | undefined, compressors: UwsCompressors): UwsAgreement | null {
  if (header === undefined) return null;
  for (const offer of readDeflateOffers(header)) {
    const compressor = compressorFor(offer, compressors);
    if (compressor !== null) return { compressor, offer: offerText(offer, compressors.inflateBits) };
  }
  return null;
}
