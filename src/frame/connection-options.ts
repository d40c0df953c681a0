import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { PermessageDeflate } from './deflate.ts';
import { optionInvalid, wholeNumber } from './frame-error.ts';
import { readLimitBytes } from './opcode.ts';

export interface FrameConnectionOptions {
  /** A server wants masked frames and sends unmasked ones, a client the other way round. */
  readonly role: 'server' | 'client';
  /** Bytes that came behind the handshake. */
  readonly head?: Uint8Array;
  /** Payload of the longest message, after inflating. Default 1,048,576. */
  readonly maxMessageBytes?: number;
  /** Payload bytes of the longest frame, before inflating. Default: no limit other than `maxMessageBytes`. */
  readonly maxFrameBytes?: number;
  /** Bytes of unread input that are buffered, approximately; then the stream is paused. Default 65,536. */
  readonly readAheadBytes?: number;
  /** Bytes of output that are buffered until the system takes them; further writes are refused. Default 16,777,216. */
  readonly maxBufferedBytes?: number;
  /** Milliseconds that the peer has to answer a Close frame and to end the stream. Default 5,000. */
  readonly closeTimeoutMs?: number;
  /** Milliseconds without progress in writing after which the connection is given up; 0: never. Default 30,000. */
  readonly writeTimeoutMs?: number;
  /** permessage-deflate, if it was negotiated; see `createDeflate`. The connection closes its compressor. */
  readonly deflate?: PermessageDeflate | null;
  /** Reserved bits of other extensions that were negotiated, in place: 0x40, 0x20, 0x10. Default 0. */
  readonly reservedBits?: number;
  /**
   * Whether this connection owns the chunks of input, so that it may unmask and keep them, and whether a written buffer
   * is free once its write calls back. Default: true for a `net.Socket`, false for other streams.
   */
  readonly ownsBuffers?: boolean;
  /** A Ping has come; a Pong is sent by itself. The payload is yours. */
  readonly onPing?: (payload: Buffer) => void;
  readonly onPong?: (payload: Buffer) => void;
  /** The peer's Close frame has come; 1005 if it names no code. It is answered when this returns. */
  readonly onClose?: (code: number, reason: string) => void;
}

/** Options, complete. */
export interface FrameConnectionConfig {
  readonly role: 'server' | 'client';
  readonly maxMessageBytes: number;
  readonly maxFrameBytes: number;
  readonly readAheadBytes: number;
  readonly maxBufferedBytes: number;
  readonly closeTimeoutMs: number;
  readonly writeTimeoutMs: number;
  readonly deflate: PermessageDeflate | null;
  readonly reservedBits: number;
  readonly ownsBuffers: boolean;
}

const maxBytes = 0x7fff_ffff;
const maxMs = 0x7fff_ffff;

/** Complete and checked; throws ERR_OPTION_INVALID. */
export function connectionConfig(stream: Duplex, options: FrameConnectionOptions): FrameConnectionConfig {
  const { role, deflate = null, reservedBits = 0 } = options;
  if (role !== 'server' && role !== 'client') throw optionInvalid('role', role, "'server' or 'client'");
  const allBits = deflate === null ? 0x70 : 0x30;
  if (!Number.isInteger(reservedBits) || (reservedBits & ~allBits) !== 0) {
    throw optionInvalid('reservedBits', reservedBits, 'a sum of 0x10, 0x20 and, without deflate, 0x40');
  }
  const number = (path: keyof FrameConnectionOptions, fallback: number, least: number, most: number): number =>
    wholeNumber(path, options[path] as number | undefined, fallback, least, most);
  return {
    role,
    deflate,
    reservedBits,
    maxMessageBytes: number('maxMessageBytes', readLimitBytes.standard, 0, maxBytes),
    maxFrameBytes: number('maxFrameBytes', Number.MAX_SAFE_INTEGER, 0, Number.MAX_SAFE_INTEGER),
    readAheadBytes: number('readAheadBytes', 65_536, 1, maxBytes),
    maxBufferedBytes: number('maxBufferedBytes', 16_777_216, 1, maxBytes),
    closeTimeoutMs: number('closeTimeoutMs', 5_000, 1, maxMs),
    writeTimeoutMs: number('writeTimeoutMs', 30_000, 0, maxMs),
    // A socket reads into fresh memory and copies what is written to the kernel.
    ownsBuffers: options.ownsBuffers ?? stream instanceof Socket,
  };
}
