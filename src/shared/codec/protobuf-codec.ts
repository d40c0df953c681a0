import type { Codec } from './codec.ts';
import type { ControlDecoder, RoomMessage } from './control.ts';
import type { EncodableEnvelope, Envelope } from './envelope.ts';
import { isJson } from './json-scan.ts';
import * as wire from './protobuf/envelope.generated.ts';
import { readMessage } from './protobuf/envelope-reader.ts';
import { highWordOf } from './safe-integer.ts';
import { resultOf, roomFor, type Scratch } from './scratch.ts';
import { writeBytes, writeText } from './text.ts';

/** The fields' tags: number and wire type. */
const tag: {
  readonly type: number;
  readonly channel: number;
  readonly data: number;
  readonly timestamp: number;
  readonly clientId: number;
  readonly id: number;
  readonly offset: number;
} = { type: 0x0a, channel: 0x12, data: 0x1a, timestamp: 0x20, clientId: 0x2a, id: 0x30, offset: 0x38 };
/** How many fields an envelope has; they are numbered from 1. */
const envelopeFields = 7;

/**
 * Upper bound for tags, lengths and numbers together. It is more than their sum, so the sum need not be kept
 * exact.
 */
const framingBytes = 64;
/** A UTF-16 unit takes at most this many bytes in UTF-8. */
const unitBytes = 3;
/** Text up to this length is first tried as plain ASCII, and its length then takes one byte. */
const shortText = 64;
/** No length takes more bytes than this. */
const lengthBytes = 5;

const words: DataView = new DataView(new ArrayBuffer(8));

/** The `data` of control messages as small Protobuf messages: ChannelRequest, RoomRequest and RoomMessage. */
export const protobufControl: ControlDecoder = Object.freeze({
  decodeChannel(data: Uint8Array | null): string | undefined {
    return nameOf(readControl(wire.ChannelRequest, data, 1)?.channel);
  },

  decodeRoomId(data: Uint8Array | null): string | undefined {
    return nameOf(readControl(wire.RoomRequest, data, 1)?.roomId);
  },

  decodeRoomMessage(data: Uint8Array | null): RoomMessage | undefined {
    const message = readControl(wire.RoomMessage, data, 2);
    if (message === undefined || message.roomId === '') return undefined;
    const payload = payloadOf(message.data);
    return { roomId: message.roomId, data: payload, dataIsJson: payload === null || isJson(payload) };
  },
});

/**
 * Protobuf, proto3, to the byte; the messages are in protobuf/envelope.proto.
 *
 * Out: fields in ascending order, zero values omitted. The wire does not tell empty data from null: both are omitted.
 *
 * In: unknown fields are skipped, the last of several values wins, no bytes at all are an empty message. Absent and
 * empty data are null; other data is a view of the message. A known field with another wire type than its own, invalid
 * UTF-8 in a string, and an `id` or `offset` above 2^53 - 1 are malformed.
 */
export const protobufCodec: Codec = Object.freeze({
  name: 'protobuf',
  index: 1,
  binary: true,
  control: protobufControl,

  encode(envelope: EncodableEnvelope, scratch?: Scratch): Uint8Array {
    const { type, channel, data, clientId } = envelope;
    const dataBytes = data === null ? 0 : data.length;
    const room = framingBytes + dataBytes + (type.length + channel.length + clientId.length) * unitBytes;
    const target = roomFor(scratch, room);
    return resultOf(scratch, target, 0, write(target, envelope));
  },

  decode(bytes: Uint8Array): Envelope {
    const { type, channel, data, timestamp, clientId, id, offset } = readMessage(wire.WsMessage, bytes, envelopeFields);
    return {
      type,
      channel,
      data: payloadOf(data),
      // Our reader gives bigints and numbers; an absent one reads as protobufjs's own zero.
      timestamp: typeof timestamp === 'bigint' ? timestamp : 0n,
      clientId,
      id: typeof id === 'number' ? id : 0,
      offset: typeof offset === 'number' ? offset : 0,
    };
  },
} as const);

function readControl<Message>(
  type: wire.StaticType<Message>,
  data: Uint8Array | null,
  fields: number,
): Message | undefined {
  if (data === null) return undefined;
  try {
    return readMessage(type, data, fields);
  } catch {
    // Only ERR_MESSAGE_MALFORMED can come from there, and the caller asked for undefined instead.
    return undefined;
  }
}

function nameOf(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}

function payloadOf(data: Uint8Array): Uint8Array | null {
  return data.length === 0 ? null : data;
}

/**
 * Writes the message and returns its length. `target` has room for the worst case. By hand, because tags and lengths are
 * known here: static code would grow a buffer of its own and copy from it.
 */
function write(target: Uint8Array, envelope: EncodableEnvelope): number {
  const { type, channel, data, timestamp, clientId, id = 0, offset = 0 } = envelope;
  let at = writeString(target, 0, tag.type, type);
  at = writeString(target, at, tag.channel, channel);
  if (data !== null && data.length > 0) {
    target[at] = tag.data;
    at = writeLength(target, at + 1, data.length);
    at = writeBytes(target, at, data);
  }
  if (timestamp !== 0n) {
    target[at] = tag.timestamp;
    at = writeTimestamp(target, at + 1, timestamp);
  }
  at = writeString(target, at, tag.clientId, clientId);
  if (id > 0) {
    target[at] = tag.id;
    at = writeVarint(target, at + 1, highWordOf(id), id >>> 0);
  }
  if (offset > 0) {
    target[at] = tag.offset;
    at = writeVarint(target, at + 1, highWordOf(offset), offset >>> 0);
  }
  return at;
}

/** Writes a string field, unless it is empty, and returns the offset after it. */
function writeString(target: Uint8Array, start: number, fieldTag: number, text: string): number {
  const length = text.length;
  if (length === 0) return start;
  target[start] = fieldTag;
  if (length > shortText) return writeLongString(target, start + 1, text);
  const first = start + 2;
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i);
    if (unit >= 0x80) return writeLongString(target, start + 1, text);
    target[first + i] = unit;
  }
  target[start + 1] = length;
  return first + length;
}

/** Writes length and text; a lone surrogate becomes U+FFFD. The length is known after the text, which then moves up to it. */
function writeLongString(target: Uint8Array, start: number, text: string): number {
  const first = start + lengthBytes;
  const end = writeText(target, first, text.toWellFormed());
  const at = writeLength(target, start, end - first);
  target.copyWithin(at, first, end);
  return at + end - first;
}

/** Writes a length as a varint. */
function writeLength(target: Uint8Array, start: number, length: number): number {
  let at = start;
  let rest = length;
  while (rest >= 0x80) {
    target[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  target[at] = rest;
  return at + 1;
}

/** Writes `value`, wrapped to int64, as a varint; a negative one takes ten bytes. */
function writeTimestamp(target: Uint8Array, start: number, value: bigint): number {
  words.setBigInt64(0, value);
  return writeVarint(target, start, words.getUint32(0), words.getUint32(4));
}

/** Writes a number of two words of 32 bits as a varint. */
function writeVarint(target: Uint8Array, start: number, highWord: number, lowWord: number): number {
  let high = highWord;
  let low = lowWord;
  let at = start;
  while (high > 0) {
    target[at++] = (low & 0x7f) | 0x80;
    low = ((low >>> 7) | (high << 25)) >>> 0;
    high >>>= 7;
  }
  return writeLength(target, at, low);
}
