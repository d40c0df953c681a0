import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';
import type { RawFrame } from './raw-frames.ts';

/** What a server's answer to an offer of permessage-deflate says (RFC 7692 section 7.1). */
export interface DeflateTerms {
  readonly serverTakeover: boolean;
  readonly clientTakeover: boolean;
  readonly serverWindowBits: number;
  readonly clientWindowBits: number;
}

const tail = Buffer.of(0x00, 0x00, 0xff, 0xff);
const flush = constants.Z_SYNC_FLUSH;
const nothing = Buffer.alloc(0);

function windowBits(name: string, value: string | undefined): number {
  if (value === undefined || !/^([89]|1[0-5])$/.test(value)) throw new Error(`the answer has ${name}=${value}`);
  return Number(value);
}

/** Reads an answer as a strict client does: throws where it is none to any offer. */
export function readTerms(answer: string): DeflateTerms {
  const [name, ...parameters] = answer.split(';').map((part) => part.trim());
  if (name !== 'permessage-deflate') throw new Error(`the answer names ${name}`);
  let terms: DeflateTerms = { serverTakeover: true, clientTakeover: true, serverWindowBits: 15, clientWindowBits: 15 };
  const seen = new Set<string>();
  for (const parameter of parameters) {
    const [key = '', value] = parameter.split('=');
    if (seen.has(key)) throw new Error(`the answer has ${key} twice`);
    seen.add(key);
    if (key === 'server_no_context_takeover' && value === undefined) terms = { ...terms, serverTakeover: false };
    else if (key === 'client_no_context_takeover' && value === undefined) terms = { ...terms, clientTakeover: false };
    else if (key === 'server_max_window_bits') terms = { ...terms, serverWindowBits: windowBits(key, value) };
    else if (key === 'client_max_window_bits') terms = { ...terms, clientWindowBits: windowBits(key, value) };
    else throw new Error(`the answer has ${parameter}`);
  }
  return terms;
}

/** The raw deflate data of one message, without the four bytes that every message would end with. */
export function deflateMessage(payload: Uint8Array | string, bits = 15, history: Buffer = nothing): Buffer {
  const dictionary = history.length === 0 ? {} : { dictionary: history };
  // Node's zlib takes 9 for 8 by itself.
  return deflateRawSync(payload, { finishFlush: flush, windowBits: bits, ...dictionary }).subarray(0, -4);
}

/**
 * The client's side of what was agreed on: it inflates with exactly the window that the server must keep to, and forgets
 * what the server must not refer to, so that a server that breaks the terms is found out.
 */
export class DeflatePeer {
  readonly terms: DeflateTerms;
  #sent: Buffer = nothing;
  #received: Buffer = nothing;

  constructor(answer: string) {
    this.terms = readTerms(answer);
  }

  /** The payload of a compressed frame. */
  deflate(payload: Uint8Array | string): Buffer {
    const { clientTakeover, clientWindowBits } = this.terms;
    const deflated = deflateMessage(payload, clientWindowBits, this.#sent);
    if (clientTakeover)
      this.#sent = Buffer.concat([this.#sent, Buffer.from(payload)]).subarray(-(2 ** clientWindowBits));
    return deflated;
  }

  /** The message of a frame, compressed or not. */
  inflate(frame: RawFrame): Buffer {
    if (frame.rsv === 0) return frame.payload;
    if (frame.rsv !== 4) throw new Error(`the reserved bits are ${frame.rsv}`);
    const { serverTakeover, serverWindowBits } = this.terms;
    const dictionary = this.#received.length === 0 ? {} : { dictionary: this.#received };
    // With room for 64 bytes at a time zlib finds what is farther back in its window only.
    const options = { finishFlush: flush, windowBits: serverWindowBits, chunkSize: 64, ...dictionary };
    const message = inflateRawSync(Buffer.concat([frame.payload, tail]), options);
    if (serverTakeover) this.#received = Buffer.concat([this.#received, message]).subarray(-(2 ** serverWindowBits));
    return message;
  }
}
