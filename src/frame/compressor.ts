import type { DeflateParameters } from './deflate-negotiation.ts';

/**
 * What compresses for one connection. Both directions may answer with a promise; calls in one direction never overlap.
 * A compressor keeps its own context from message to message, as its parameters say.
 */
export interface Compressor {
  /**
   * Deflates a piece of a message; `last` ends the message. Every piece is flushed to a byte boundary, and the last one
   * has no `00 00 ff ff` at its end (RFC 7692 section 7.2.1).
   */
  compress(piece: Uint8Array, last: boolean): Uint8Array | Promise<Uint8Array>;
  /**
   * Inflates a whole message, of which `00 00 ff ff` was removed (RFC 7692 section 7.2.2). More than `maxBytes` are not
   * made: it throws ERR_FRAME_MESSAGE_TOO_LONG; for bytes that are not deflated, ERR_FRAME_DEFLATE. What it returns
   * is the caller's to keep.
   */
  decompress(payload: Uint8Array, maxBytes: number): Uint8Array | Promise<Uint8Array>;
  /** Frees what it holds. Nothing is called afterwards. */
  close(): void;
}

/** Makes the compressor of one connection, once it is known what was negotiated. */
export type CompressorFactory = (parameters: DeflateParameters) => Compressor;
