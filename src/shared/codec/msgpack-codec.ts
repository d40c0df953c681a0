import { encode as encodeValue } from '@msgpack/msgpack';
import type { Codec } from './codec.ts';
import type { EncodableEnvelope, Envelope } from './envelope.ts';
import { jsonControl } from './json-control.ts';
import { MsgpackReader } from './msgpack-reader.ts';
import { highWordOf } from './safe-integer.ts';
import { resultOf, roomFor, type Scratch } from './scratch.ts';
import { writeBytes, writeText } from './text.ts';

const nil = 0xc0;
const int64Head = 0xd3;

/** In the order in which they are written; as an array, a message has their values in this order. */
const names = ['type', 'channel', 'data', 'timestamp', 'client_id', 'id', 'offset'] as const;
/** The first so many are always written, and always there in an array. */
const fixedNames = 5;

// What is the same in all messages is written by the library once.
/** The head of a map of five entries, and the first key. */
const beforeType: Uint8Array = Uint8Array.of(0x80 | fixedNames, ...encodeValue('type'));
const beforeChannel: Uint8Array = encodeValue('channel');
const beforeData: Uint8Array = encodeValue('data');
const beforeTimestamp: Uint8Array = Uint8Array.of(...encodeValue('timestamp'), int64Head);
const beforeClientId: Uint8Array = encodeValue('client_id');
const beforeId: Uint8Array = encodeValue('id');
const beforeOffset: Uint8Array = encodeValue('offset');

/**
 * Upper bound for all keys, heads, lengths and numbers together. It is more than their sum, so the sum need not
 * be kept exact.
 */
const framingBytes = 128;
/** A UTF-16 unit takes at most this many bytes in UTF-8. */
const unitBytes = 3;
/** Text up to this length is first tried as plain ASCII. */
const shortText = 64;

const reader: MsgpackReader = new MsgpackReader(names, fixedNames);

/** One int64, to get from a BigInt to bytes without a view of each target. */
const word: Uint8Array = new Uint8Array(8);
const wordView: DataView = new DataView(word.buffer);

/**
 * MessagePack, to the byte.
 *
 * Out: a map with the keys `type`, `channel`, `data`, `timestamp`, `client_id`, always all five in this order, and then
 * `id` and `offset` if present. Strings are str, lone surrogates in them U+FFFD; data is bin, or nil for null; the
 * timestamp is always an int64 (`d3`), also where fewer bytes would do; `id` and `offset` are as short as they can be.
 *
 * In: such a map with its keys in any order, or an array of the five values, with those of `id` and `offset` or not.
 * Strings and data may be str or bin, integers of any width that are in the range; floats are refused. Nil is '', null
 * or 0, but no `id` and no `offset`. What is absent is '', null or 0.
 * Keys are matched exactly, the last of several wins, and the values of unknown ones are passed over, up to
 * `maxMsgpackDepth` deep. Bytes after the message are ignored. `data` is a view of the message.
 *
 * The library writes a positive BigInt as uint64, and lone surrogates as invalid UTF-8, so messages are written here;
 * `MsgpackReader` says why they are read here too.
 */
export const msgpackCodec: Codec = Object.freeze({
  name: 'msgpack',
  index: 3,
  binary: true,
  control: jsonControl,

  encode(envelope: EncodableEnvelope, scratch?: Scratch): Uint8Array {
    const { type, channel, data, clientId } = envelope;
    const dataBytes = data === null ? 0 : data.length;
    const room = framingBytes + dataBytes + (type.length + channel.length + clientId.length) * unitBytes;
    const target = roomFor(scratch, room);
    return resultOf(scratch, target, 0, write(target, envelope));
  },

  decode(bytes: Uint8Array): Envelope {
    let type = '';
    let channel = '';
    let data: Uint8Array | null = null;
    let timestamp = 0n;
    let clientId = '';
    let id = 0;
    let offset = 0;
    const opened = reader.open(bytes);
    const isMap = opened >= 0;
    const count = isMap ? opened : ~opened;
    for (let entry = 0; entry < count; entry++) {
      // The cases are places in the list of names.
      switch (isMap ? reader.key(entry) : entry) {
        case 0:
          type = reader.text('type');
          break;
        case 1:
          channel = reader.text('channel');
          break;
        case 2:
          data = reader.data('data');
          break;
        case 3:
          timestamp = reader.int64('timestamp');
          break;
        case 4:
          clientId = reader.text('client_id');
          break;
        case 5:
          id = reader.safeInteger('id');
          break;
        case 6:
          offset = reader.safeInteger('offset');
          break;
        default:
          reader.skip();
      }
    }
    reader.close();
    return { type, channel, data, timestamp, clientId, id, offset };
  },
} as const);

/** Writes the message and returns its length. `target` has room for the worst case. */
function write(target: Uint8Array, envelope: EncodableEnvelope): number {
  let at = writeBytes(target, 0, beforeType);
  at = writeString(target, at, envelope.type);
  at = writeBytes(target, at, beforeChannel);
  at = writeString(target, at, envelope.channel);
  at = writeBytes(target, at, beforeData);
  at = writeData(target, at, envelope.data);
  at = writeBytes(target, at, beforeTimestamp);
  wordView.setBigInt64(0, envelope.timestamp);
  for (let i = 0; i < 8; i++) target[at + i] = word[i] as number;
  at = writeBytes(target, at + 8, beforeClientId);
  at = writeString(target, at, envelope.clientId);
  const { id = 0, offset = 0 } = envelope;
  if (id > 0) at = writeEntry(target, at, beforeId, id);
  if (offset > 0) at = writeEntry(target, at, beforeOffset, offset);
  return at;
}

/** Writes one more entry of the map: a key and a safe integer with the shortest head. */
function writeEntry(target: Uint8Array, start: number, key: Uint8Array, value: number): number {
  target[0] = (target[0] as number) + 1;
  const at = writeBytes(target, start, key);
  if (value < 0x80) {
    target[at] = value;
    return at + 1;
  }
  const high = highWordOf(value);
  if (high === 0) return writeLength(target, at, 0xcc, value);
  target[at] = 0xcf;
  writeWord(target, at + 1, high);
  writeWord(target, at + 5, value);
  return at + 9;
}

/** Writes the lower 32 bits of a number. */
function writeWord(target: Uint8Array, at: number, value: number): void {
  target[at] = value >>> 24;
  target[at + 1] = value >>> 16;
  target[at + 2] = value >>> 8;
  target[at + 3] = value;
}

function writeData(target: Uint8Array, start: number, data: Uint8Array | null): number {
  if (data === null) {
    target[start] = nil;
    return start + 1;
  }
  return writeBytes(target, writeLength(target, start, 0xc4, data.length), data);
}

/** Writes a str with the shortest head and returns the offset after it. */
function writeString(target: Uint8Array, start: number, text: string): number {
  const length = text.length;
  if (length > shortText) return writeLongString(target, start, text);
  const first = start + stringHeadBytes(length);
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i);
    if (unit >= 0x80) return writeLongString(target, start, text);
    target[first + i] = unit;
  }
  writeStringHead(target, start, length);
  return first + length;
}

/** Text whose length in bytes is only known once it is written: it moves if its head turns out to be longer. */
function writeLongString(target: Uint8Array, start: number, text: string): number {
  const first = start + stringHeadBytes(text.length);
  const end = writeText(target, first, text);
  const length = end - first;
  const actual = start + stringHeadBytes(length);
  if (actual !== first) target.copyWithin(actual, first, end);
  writeStringHead(target, start, length);
  return actual + length;
}

function stringHeadBytes(length: number): number {
  if (length < 32) return 1;
  if (length < 0x100) return 2;
  return length < 0x1_0000 ? 3 : 5;
}

function writeStringHead(target: Uint8Array, start: number, length: number): void {
  if (length < 32) target[start] = 0xa0 | length;
  else writeLength(target, start, 0xd9, length);
}

/** Writes the shortest of the three heads from `head8` on, and the length or number, and returns the offset after them. */
function writeLength(target: Uint8Array, start: number, head8: number, length: number): number {
  if (length < 0x100) {
    target[start] = head8;
    target[start + 1] = length;
    return start + 2;
  }
  if (length < 0x1_0000) {
    target[start] = head8 + 1;
    target[start + 1] = length >>> 8;
    target[start + 2] = length;
    return start + 3;
  }
  target[start] = head8 + 2;
  writeWord(target, start + 1, length);
  return start + 5;
}
