import { Buffer } from 'node:buffer';
import { EngineError } from '../shared/errors/index.ts';
import { type DeflateParameters, ownWindowBits } from './deflate-negotiation.ts';

/** What zlib is told, for both directions. */
export interface ZlibSettings {
  readonly level: number;
  readonly memLevel: number;
  readonly windowBits: number;
  readonly peerWindowBits: number;
  /** The context ends with each message. */
  readonly forgets: boolean;
  readonly peerForgets: boolean;
}

export function zlibSettings(parameters: DeflateParameters, level: number, memLevel: number): ZlibSettings {
  const { serverNoContextTakeover, clientNoContextTakeover, serverMaxWindowBits, clientMaxWindowBits } = parameters;
  const isServer = parameters.role === 'server';
  return {
    level,
    memLevel,
    // A connection whose window is too small for zlib does not compress at all.
    windowBits: Math.max(9, ownWindowBits(parameters)),
    peerWindowBits: isServer ? clientMaxWindowBits : serverMaxWindowBits,
    forgets: isServer ? serverNoContextTakeover : clientNoContextTakeover,
    peerForgets: isServer ? clientNoContextTakeover : serverNoContextTakeover,
  };
}

/** What a sync flush ends with, and a message on the wire leaves out (RFC 7692 section 7.2.1). */
export const flushTail: Buffer = Buffer.of(0, 0, 0xff, 0xff);

/** An empty message, deflated (RFC 7692 section 7.2.3.6): zlib says nothing at all to a second flush without input. */
export const emptyMessage: Buffer = Buffer.of(0);

/** A message of more final blocks than this has no honest purpose; each of them costs a reset. */
export const maxFinalBlocks = 1_000;

export function notDeflated(why: string): EngineError {
  return new EngineError('ERR_FRAME_DEFLATE', `a compressed message cannot be inflated: ${why}`);
}

export function deflateFailed(why: string): EngineError {
  return new EngineError('ERR_INTERNAL', `deflating failed: ${why}`);
}
