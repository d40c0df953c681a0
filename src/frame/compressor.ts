import type { DeflateParameters } from './deflate-negotiation.ts';

/**
 * Compresses and inflates the messages of one connection. Both methods may return a promise. Calls of one method never
 * overlap. A compressor keeps its own context from message to message, as its parameters say.
 */
export interface Compressor {
  /**
   * Deflates a piece of a message; `last` ends the message. Every piece is flushed to a byte boundary, and the last one
   * has no `00 00 ff ff` at its end (RFC 7692 section 7.2.1).
   */
  compress(piece: Uint8Array, last: boolean): Uint8Array | Promise<Uint8Array>;
  /**
   * Inflates a whole message, from which `00 00 ff ff` was removed (RFC 7692 section 7.2.2). Throws
   * ERR_FRAME_MESSAGE_TOO_LONG if the result would have more than `maxBytes`, and ERR_FRAME_DEFLATE for invalid input.
   * The caller may keep the result.
   */
  decompress(payload: Uint8Array, maxBytes: number): Uint8Array | Promise<Uint8Array>;
  /** Frees what it holds. Nothing is called afterwards. */
  close(): void;
}

/** Makes the compressor of one connection, once it is known what was negotiated. */
export type CompressorFactory = (parameters: DeflateParameters) => Compressor;
