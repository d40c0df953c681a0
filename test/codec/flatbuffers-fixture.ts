import assert from 'node:assert/strict';
import { Builder, ByteBuffer, Encoding } from 'flatbuffers';
import { flatbuffersCodec } from '#dist/shared/codec/flatbuffers-codec.js';
import type { Envelope } from '#dist/shared/codec/index.js';
import { bytesOf, envelopeOf, malformedText, saidBy, textOf } from './codec-fixture.ts';

/** The golden vectors: what each message says, and the bytes that a Go peer writes for it. */
export const vectors = {
  M0: {
    envelope: envelopeOf({
      type: 'message',
      channel: 'news',
      data: bytesOf('{"a":1}'),
      timestamp: 1700000000123456789n,
      clientId: 'client-1',
    }),
    bytes: fromHex(
      '180000000000000000000e001c00180014001000080004000e0000001800000015cd853dfe9c97171c000000240000002c000000' +
        '08000000636c69656e742d3100000000070000007b2261223a317d00040000006e65777300000000070000006d65737361676500',
    ),
  },
  M1: {
    envelope: envelopeOf({ type: 'ping' }),
    bytes: fromHex(
      '1400000000000e00140010000c000800000004000e000000100000001400000014000000180000000000000000000000' +
        '0000000000000000000000000400000070696e6700000000',
    ),
  },
  M2: {
    envelope: envelopeOf({ type: 'subscribe', data: bytesOf('{"channel":"news"}') }),
    bytes: fromHex(
      '1400000000000e00140010000c000800000004000e0000001000000014000000280000002c0000000000000000000000' +
        '120000007b226368616e6e656c223a226e657773227d0000000000000000000009000000737562736372696265000000',
    ),
  },
} as const;

/** Of each golden vector, how many bytes at its end are only the NUL and the padding of the type's text. */
export const paddingOf = { M0: 1, M1: 4, M2: 3 } as const;

export function fromHex(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, 'hex'));
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** An envelope's bytes as the package's Builder makes them, with the calls of a Go writer in their order. */
export function builtBytes(envelope: Envelope): Uint8Array {
  const builder = new Builder(256);
  const type = builder.createString(envelope.type);
  const channel = builder.createString(envelope.channel);
  const data = builder.createByteVector(envelope.data ?? new Uint8Array(0));
  const clientId = builder.createString(envelope.clientId);
  builder.startObject(7);
  builder.addFieldOffset(0, type, 0);
  builder.addFieldOffset(1, channel, 0);
  builder.addFieldOffset(2, data, 0);
  builder.addFieldInt64(3, envelope.timestamp, 0n);
  builder.addFieldOffset(4, clientId, 0);
  builder.addFieldInt64(5, BigInt(envelope.id), 0n);
  builder.addFieldInt64(6, BigInt(envelope.offset), 0n);
  builder.finish(builder.endObject());
  return builder.asUint8Array().slice();
}

/** Reads a `WsMessage` as code that flatc generates does: without looking where it reads. */
export class WsMessage {
  readonly #buffer: ByteBuffer;
  readonly #table: number;

  constructor(bytes: Uint8Array) {
    this.#buffer = new ByteBuffer(bytes);
    this.#table = this.#buffer.readInt32(0);
  }

  type(): string {
    return this.#text(4);
  }

  channel(): string {
    return this.#text(6);
  }

  data(): Uint8Array | null {
    const offset = this.#buffer.__offset(this.#table, 8);
    if (offset === 0) return null;
    const start = this.#buffer.__vector(this.#table + offset);
    return this.#buffer.bytes().subarray(start, start + this.#buffer.__vector_len(this.#table + offset));
  }

  timestamp(): bigint {
    const offset = this.#buffer.__offset(this.#table, 10);
    return offset === 0 ? 0n : this.#buffer.readInt64(this.#table + offset);
  }

  clientId(): string {
    return this.#text(12);
  }

  id(): number {
    return this.#number(14);
  }

  offset(): number {
    return this.#number(16);
  }

  #number(slot: number): number {
    const offset = this.#buffer.__offset(this.#table, slot);
    return offset === 0 ? 0 : Number(this.#buffer.readUint64(this.#table + offset));
  }

  #text(slot: number): string {
    const offset = this.#buffer.__offset(this.#table, slot);
    // Bytes, because the package's own way to text drops a byte order mark.
    return offset === 0 ? '' : textOf(this.#buffer.__string(this.#table + offset, Encoding.UTF8_BYTES) as Uint8Array);
  }
}

/** What code that flatc generates reads from a message, with empty data as null, as a Go reader gives it. */
export function accessedFrom(bytes: Uint8Array): Envelope {
  const message = new WsMessage(bytes);
  const data = message.data();
  return {
    type: message.type(),
    channel: message.channel(),
    data: data === null || data.length === 0 ? null : data,
    timestamp: message.timestamp(),
    clientId: message.clientId(),
    id: message.id(),
    offset: message.offset(),
  };
}

/** What an envelope says after a way over the wire: empty data and lone surrogates do not come through it. */
export function arrivedOf(envelope: Envelope): Record<string, unknown> {
  const { type, channel, data, clientId } = envelope;
  return saidBy({
    ...envelope,
    type: textOf(bytesOf(type)),
    channel: textOf(bytesOf(channel)),
    data: data?.length === 0 ? null : data,
    clientId: textOf(bytesOf(clientId)),
  });
}

/** Asserts that these bytes are refused the one way in which bytes may be, and gives the text of the refusal. */
export function refusalOf(bytes: Uint8Array): string {
  try {
    flatbuffersCodec.decode(bytes);
  } catch (error) {
    return malformedText(error);
  }
  assert.fail(`decoded without an error: ${toHex(bytes).slice(0, 400)}`);
}

/**
 * Decodes bytes that may be anything. Asserts that the outcome is an envelope, the same that generated code reads, or
 * ERR_MESSAGE_MALFORMED; and that it does not depend on what lies around the message in memory. True for an envelope.
 */
export function isRead(bytes: Uint8Array): boolean {
  const outcome = outcomeOf(bytes);
  for (const [noise, before] of [
    [0, 5],
    [0xff, 3],
  ] as const) {
    const around = new Uint8Array(before + bytes.length + 64).fill(noise);
    around.set(bytes, before);
    assert.deepEqual(outcomeOf(around.subarray(before, before + bytes.length)), outcome, toHex(bytes));
  }
  if (typeof outcome === 'string') return false;
  assert.deepEqual(outcome, saidBy(accessedFrom(bytes)), toHex(bytes));
  return true;
}

function outcomeOf(bytes: Uint8Array): Record<string, unknown> | string {
  try {
    return saidBy(flatbuffersCodec.decode(bytes));
  } catch (error) {
    return malformedText(error);
  }
}
