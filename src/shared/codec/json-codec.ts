import { base64Length, writeBase64 } from './base64.ts';
import type { Codec } from './codec.ts';
import type { EncodableEnvelope, Envelope } from './envelope.ts';
import { int64Characters, safeIntegerCharacters, writeInt64, writeSafeInteger } from './int64.ts';
import { jsonControl } from './json-control.ts';
import { JsonMembers, noMember } from './json-members.ts';
import { isJson } from './json-scan.ts';
import { resultOf, roomFor, type Scratch } from './scratch.ts';
import { textBytes, writeBytes, writeText } from './text.ts';

const quote = 0x22;
const closeBrace = 0x7d;

const beforeType: Uint8Array = textBytes('{"type":');
const beforeId: Uint8Array = textBytes(',"id":');
const beforeChannel: Uint8Array = textBytes(',"channel":');
const beforeOffset: Uint8Array = textBytes(',"offset":');
const beforeData: Uint8Array = textBytes(',"data":');
const nullData: Uint8Array = textBytes(',"data":null');
const beforeBase64: Uint8Array = textBytes(',"data":null,"data_base64":"');
const beforeTimestamp: Uint8Array = textBytes(',"timestamp":');
const beforeClientId: Uint8Array = textBytes(',"client_id":');

/**
 * Upper bound for all keys, quotes and punctuation together. It is more than their sum, so the sum need not be kept
 * exact.
 */
const framingBytes = 128;
/** The timestamp, `id` and `offset`. */
const numberBytes: number = int64Characters + 2 * safeIntegerCharacters;
/** A UTF-16 unit takes at most this many bytes in a JSON string: `\u0000`. */
const unitBytes = 6;
/** Text up to this length is first tried as plain ASCII. */
const shortText = 64;

/** In the order in which they are written, so that a key is found by few comparisons. Most messages have no number. */
const members: JsonMembers = new JsonMembers(
  ['type', 'channel', 'data', 'timestamp', 'client_id', 'data_base64'],
  ['id', 'offset'],
);

/**
 * JSON (RFC 8259), to the byte.
 *
 * Out: the keys `type`, `id`, `channel`, `offset`, `data`, `timestamp`, `client_id` in this order; `type` and `data`
 * always, the others only if present. Data that is valid JSON (`Envelope.dataIsJson`) is embedded as it is,
 * whitespace included. Other data, empty bytes too, goes as `"data":null,"data_base64":"…"`. Strings are escaped as
 * JSON.stringify does it.
 *
 * In: keys match without regard to ASCII case, and the last of several wins. `data` is a view of the message, without
 * the whitespace around it; `null` is null. `data_base64`, in standard base64 with padding, counts where `data` is
 * absent or null, and must be valid in any case. Values inside the envelope nest at most `maxJsonDepth` deep. Invalid
 * UTF-8 and a byte order mark are malformed.
 */
export const jsonCodec: Codec = Object.freeze({
  name: 'json',
  index: 0,
  binary: false,
  control: jsonControl,

  encode(envelope: EncodableEnvelope, scratch?: Scratch): Uint8Array {
    const { type, channel, data, clientId } = envelope;
    const isEmbedded = data !== null && (envelope.dataIsJson ?? isJson(data));
    const dataBytes = data === null ? 0 : isEmbedded ? data.length : base64Length(data.length);
    const room = framingBytes + numberBytes + dataBytes + (type.length + channel.length + clientId.length) * unitBytes;
    const target = roomFor(scratch, room);
    return resultOf(scratch, target, 0, write(target, envelope, isEmbedded));
  },

  decode(bytes: Uint8Array): Envelope {
    let type = '';
    let channel = '';
    let embedded: Uint8Array | null = null;
    let binary: Uint8Array | null = null;
    let timestamp = 0n;
    let clientId = '';
    let id = 0;
    let offset = 0;
    if (members.open(bytes)) {
      for (let member = members.next(); member !== noMember; member = members.next()) {
        // The cases are places in the list of names.
        switch (member) {
          case 0:
            type = members.text(type);
            break;
          case 1:
            channel = members.text(channel);
            break;
          case 2:
            embedded = members.raw();
            break;
          case 3:
            timestamp = members.int64(timestamp);
            break;
          case 4:
            clientId = members.text(clientId);
            break;
          case 6:
            id = members.safeInteger();
            break;
          case 7:
            offset = members.safeInteger();
            break;
          default:
            binary = members.base64(binary);
        }
      }
    }
    if (embedded !== null || binary === null) {
      return { type, channel, data: embedded, timestamp, clientId, id, offset, dataIsJson: true };
    }
    return { type, channel, data: binary, timestamp, clientId, id, offset, dataIsJson: isJson(binary) };
  },
} as const);

/** Writes the message and returns its length. `target` has room for the worst case. */
function write(target: Uint8Array, envelope: EncodableEnvelope, isEmbedded: boolean): number {
  const { channel, data, timestamp, clientId, id = 0, offset = 0 } = envelope;
  let at = writeBytes(target, 0, beforeType);
  at = writeString(target, at, envelope.type);
  if (id > 0) {
    at = writeBytes(target, at, beforeId);
    at = writeSafeInteger(target, at, id);
  }
  if (channel !== '') {
    at = writeBytes(target, at, beforeChannel);
    at = writeString(target, at, channel);
  }
  if (offset > 0) {
    at = writeBytes(target, at, beforeOffset);
    at = writeSafeInteger(target, at, offset);
  }
  if (data === null) {
    at = writeBytes(target, at, nullData);
  } else if (isEmbedded) {
    at = writeBytes(target, at, beforeData);
    at = writeBytes(target, at, data);
  } else {
    at = writeBytes(target, at, beforeBase64);
    at = writeBase64(target, at, data);
    target[at++] = quote;
  }
  if (timestamp !== 0n) {
    at = writeBytes(target, at, beforeTimestamp);
    at = writeInt64(target, at, timestamp);
  }
  if (clientId !== '') {
    at = writeBytes(target, at, beforeClientId);
    at = writeString(target, at, clientId);
  }
  target[at] = closeBrace;
  return at + 1;
}

/** Writes a string literal and returns the offset after it. What needs care is left to JSON.stringify, exact by definition. */
function writeString(target: Uint8Array, start: number, text: string): number {
  const length = text.length;
  if (length > shortText) return writeText(target, start, JSON.stringify(text));
  target[start] = quote;
  const first = start + 1;
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x20 || unit >= 0x80 || unit === quote || unit === 0x5c) {
      return writeText(target, start, JSON.stringify(text));
    }
    target[first + i] = unit;
  }
  target[first + length] = quote;
  return first + length + 1;
}
