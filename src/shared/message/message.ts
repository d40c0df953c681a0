// Imported: the global of that name is a getter, which costs as much as reading the clock.
import { performance } from 'node:perf_hooks';
import { requireWellFormed } from '../base/well-formed.ts';
import type { Envelope } from '../codec/index.ts';
import { EngineError } from '../errors/index.ts';
import { copyOfData, type MessageData, noData } from './message-data.ts';

/** A message to clients, as a program writes it. */
export interface OutgoingMessage {
  /** Default: `message`; `broadcast` for `broadcast`, `room` for `publishToRoom`. */
  readonly type?: string;
  /** Envelope channel. `publish` and `publishToRoom` set it. */
  readonly channel?: string;
  /**
   * Bytes (an ArrayBuffer or any view) are sent as they are. Any other value is written as JSON, also a string. Values
   * that JSON would silently empty, such as a Map, are refused.
   */
  readonly data?: unknown;
  /** Nanoseconds since the epoch, at most 63 bits. Default: now. */
  readonly timestamp?: bigint;
  /** Envelope `client_id`: the sender, where there is one. Default: none. */
  readonly clientId?: string;
}

/** A message from a client, as handlers and listeners get it. */
export interface ReceivedMessage {
  readonly type: string;
  /** Envelope channel, '' if there is none. */
  readonly channel: string;
  /** Empty if the message has no data. For JSON clients: the exact bytes of the JSON value they sent. */
  readonly data: MessageData;
  /** Nanoseconds since the epoch; the server's time if the client gave none. */
  readonly timestamp: bigint;
  /** Id of the connection that sent it. The engine sets it: a client cannot claim another one. */
  readonly clientId: string;
}

export function receivedMessage(envelope: Envelope): ReceivedMessage {
  return {
    type: envelope.type,
    channel: envelope.channel,
    // Copied: the envelope's bytes belong to the socket library or to a ring, and are valid only now.
    data: copyOfData(envelope.data ?? noData),
    timestamp: envelope.timestamp,
    clientId: envelope.clientId,
  };
}

/** Largest difference between the monotonic and the system's clock before it is corrected, in milliseconds. */
const clockTolerance = 2;
/** Milliseconds between two readings of the system's clock. One reading costs as much as the rest of `nowNanos`. */
const clockCheckMs = 1;
let clockOffset = performance.timeOrigin;
let clockCheckedAt = -clockCheckMs;

/**
 * Now, in nanoseconds since the epoch, at microsecond resolution. The monotonic clock gives the fine steps, but does
 * not follow when the system's clock is set. So it is kept within a few milliseconds of the system's clock.
 */
export function nowNanos(): bigint {
  const monotonic = performance.now();
  if (monotonic - clockCheckedAt >= clockCheckMs) {
    clockCheckedAt = monotonic;
    const wall = Date.now();
    if (Math.abs(clockOffset + monotonic - wall) > clockTolerance) clockOffset = wall - monotonic;
  }
  return thousandfold(Math.floor((clockOffset + monotonic) * 1000));
}

const words = new DataView(new ArrayBuffer(8));

/** A thousand times a whole number below 2^53, by 32-bit halves: half the time of a product of BigInts. */
function thousandfold(value: number): bigint {
  const upper = Math.floor(value / 0x10_0000);
  const thousands = upper * 1000;
  const high = Math.floor(thousands / 0x1000);
  const low = (thousands - high * 0x1000) * 0x10_0000 + (value - upper * 0x10_0000) * 1000;
  const carry = low >= 0x1_0000_0000 ? 1 : 0;
  words.setUint32(0, high + carry);
  words.setUint32(4, low - carry * 0x1_0000_0000);
  return words.getBigInt64(0);
}

const encoder = new TextEncoder();

function kindOf(data: unknown): string {
  return typeof data === 'object' && data !== null ? data.constructor.name : typeof data;
}

/** Collections whose JSON is `{}`, and memory that other threads write. */
function hasNoJsonForm(data: unknown): boolean {
  return data instanceof Map || data instanceof Set || data instanceof SharedArrayBuffer;
}

function dataBytes(data: unknown): Uint8Array {
  let text: string | undefined;
  try {
    text = hasNoJsonForm(data) ? undefined : JSON.stringify(data);
  } catch (cause) {
    throw new EngineError('ERR_MESSAGE_INVALID', 'message.data cannot be written as JSON', { path: 'data', cause });
  }
  if (text === undefined) {
    throw new EngineError('ERR_MESSAGE_INVALID', `message.data is a ${kindOf(data)}, which JSON cannot represent`, {
      path: 'data',
      given: data,
      allowed: 'bytes or any JSON value',
    });
  }
  return encoder.encode(text);
}

/** The bytes of an ArrayBuffer or a view; null for any other value. */
function rawBytes(data: unknown): Uint8Array | null {
  if (data instanceof Uint8Array) return data;
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  return ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : null;
}

function textField(value: unknown, path: string, fallback: string): string {
  if (value === undefined) return fallback;
  if (typeof value === 'string') {
    requireWellFormed(`message.${path}`, value);
    return value;
  }
  throw new EngineError('ERR_MESSAGE_INVALID', `message.${path} is not a string`, {
    path,
    given: value,
    allowed: 'a string',
  });
}

/** Checks and completes a message of a program. Throws `ERR_MESSAGE_INVALID` or `ERR_TEXT_INVALID`. */
export function outgoingEnvelope(message: OutgoingMessage, defaultType: string, channel?: string): Envelope {
  if (typeof message !== 'object' || message === null) {
    throw new EngineError('ERR_MESSAGE_INVALID', 'a message is an object { type?, channel?, data?, timestamp? }', {
      given: message,
    });
  }
  const { timestamp } = message;
  if (timestamp !== undefined && (typeof timestamp !== 'bigint' || BigInt.asIntN(64, timestamp) !== timestamp)) {
    throw new EngineError('ERR_MESSAGE_INVALID', 'message.timestamp is not a bigint of 64 bits', {
      path: 'timestamp',
      given: timestamp,
      allowed: 'nanoseconds since the epoch as a bigint',
    });
  }
  const { data } = message;
  const raw = rawBytes(data);
  return {
    type: textField(message.type, 'type', defaultType),
    channel: channel ?? textField(message.channel, 'channel', ''),
    data: raw ?? (data === undefined || data === null ? null : dataBytes(data)),
    timestamp: timestamp ?? nowNanos(),
    clientId: textField(message.clientId, 'clientId', ''),
    id: 0,
    offset: 0,
    dataIsJson: raw === null ? true : undefined,
  };
}
