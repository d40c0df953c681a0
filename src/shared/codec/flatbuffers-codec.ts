import type { Codec } from './codec.ts';
import type { EncodableEnvelope, Envelope } from './envelope.ts';
import { RootTable, readUint32 } from './flatbuffers-verify.ts';
import { jsonControl } from './json-control.ts';
import { malformed } from './malformed.ts';
import { highWordOf, maxSafeHigh, numberOfWords, safeIntegerRange } from './safe-integer.ts';
import { resultOf, roomFor, type Scratch } from './scratch.ts';
import { readText, textBytes, writeBytes, writeText } from './text.ts';

/** Slots of `WsMessage` in flatbuffers/envelope.fbs, in the order of its fields. */
const typeSlot = 0;
const channelSlot = 1;
const dataSlot = 2;
const timestampSlot = 3;
const clientIdSlot = 4;
const idSlot = 5;
const offsetSlot = 6;

/**
 * Head of a message without a timestamp, up to the fields: offset of the root table, padding, vtable (its size, the
 * table's size, one field offset per slot), distance from the table back to the vtable.
 */
const plainHead: Uint8Array = headOf(20, [14, 20, 16, 12, 8, 0, 4]);
/** The same with a timestamp, which wants to be at a multiple of 8 bytes from the message's end. */
const stampedHead: Uint8Array = headOf(24, [14, 28, 24, 20, 16, 8, 4]);
/** The same where that takes four bytes of padding between timestamp and data. */
const paddedHead: Uint8Array = headOf(24, [14, 32, 28, 24, 20, 8, 4]);

/**
 * Strings and data begin here in write memory, whatever head will be put before them. The largest one has the root's
 * offset, 6 bytes of padding, a vtable of 18, its distance, three numbers and twice 4 bytes of padding, four offsets.
 */
const bodyStart: number = 4 + 6 + 18 + 4 + 3 * 8 + 2 * 4 + 4 * 4;
/** Of each of the four: its length, its NUL if a string, and padding to a multiple of four. */
const framingBytes = 4 * 8;
/** A UTF-16 unit takes at most this many bytes of UTF-8. */
const unitBytes = 3;
/** Text up to this length is first tried as plain ASCII. */
const shortText = 64;
/** Longer text is more than some engines can hold in one string. */
const longestTextBytes = 0x0fff_fff0;

const replacement = '\ufffd';

const root: RootTable = new RootTable();
const int64: DataView = new DataView(new ArrayBuffer(8));
const int64Bytes: Uint8Array = new Uint8Array(int64.buffer);

/**
 * FlatBuffers, table `WsMessage` of flatbuffers/envelope.fbs.
 *
 * Out: the bytes that the package `flatbuffers` writes when its Builder is given the strings, then the data, then the
 * fields in the order of their slots. They are written in place, not backwards through a Builder. Empty strings and
 * empty data are written. Null data is written as empty data, because the wire has no other form for it. Numbers that
 * are 0 are left out.
 *
 * In: `RootTable` says what is accepted. Missing fields are '', null, 0n and 0; empty data is null. Data is a view of the
 * message. Invalid UTF-8, and an `id` or `offset` above 2^53 - 1, are malformed. Whether data is JSON is not checked.
 */
export const flatbuffersCodec: Codec = Object.freeze({
  name: 'flatbuffers',
  index: 2,
  binary: true,
  control: jsonControl,

  encode(envelope: EncodableEnvelope, scratch?: Scratch): Uint8Array {
    const { type, channel, data, clientId } = envelope;
    const dataBytes = data === null ? 0 : data.length;
    const room = bodyStart + framingBytes + dataBytes + (type.length + channel.length + clientId.length) * unitBytes;
    const target = roomFor(scratch, room);
    const end = writeBody(target, envelope);
    return resultOf(scratch, target, writeHead(target, envelope, end), end);
  },

  decode(bytes: Uint8Array): Envelope {
    root.open(bytes);
    return {
      type: textAt(bytes, typeSlot),
      channel: textAt(bytes, channelSlot),
      data: dataAt(bytes, dataSlot),
      timestamp: int64At(bytes, timestampSlot),
      clientId: textAt(bytes, clientIdSlot),
      id: safeIntegerAt(bytes, idSlot, 'id'),
      offset: safeIntegerAt(bytes, offsetSlot, 'offset'),
    };
  },
} as const);

function headOf(table: number, vtable: readonly number[]): Uint8Array {
  const head = new Uint8Array(table + 4);
  const view = new DataView(head.buffer);
  const vtableBytes = vtable.length * 2;
  view.setUint32(0, table, true);
  for (const [index, entry] of vtable.entries()) view.setUint16(table - vtableBytes + index * 2, entry, true);
  view.setInt32(table, vtableBytes, true);
  return head;
}

/**
 * Writes what the table's offsets lead to, in the reverse of the order in which a Builder is given it. Returns the
 * offset after it.
 */
function writeBody(target: Uint8Array, envelope: EncodableEnvelope): number {
  const { data } = envelope;
  const dataStart = writeString(target, bodyStart, envelope.clientId);
  setOffset(target, bodyStart - 12, dataStart);
  let at = dataStart + 4;
  if (data !== null) {
    at = writeBytes(target, at, data);
    writeUint32(target, dataStart, data.length);
  } else {
    writeUint32(target, dataStart, 0);
  }
  while ((at & 3) !== 0) target[at++] = 0;
  setOffset(target, bodyStart - 8, at);
  const typeStart = writeString(target, at, envelope.channel);
  setOffset(target, bodyStart - 4, typeStart);
  return writeString(target, typeStart, envelope.type);
}

/** Writes everything before the body but the last three offsets, and returns where the message begins. */
function writeHead(target: Uint8Array, envelope: EncodableEnvelope, end: number): number {
  const { timestamp, id = 0, offset = 0 } = envelope;
  if (id > 0 || offset > 0) return writeNumberedHead(target, timestamp, id, offset, end);
  const fields = bodyStart - 12;
  if (timestamp === 0n) {
    const start = fields - plainHead.length - 4;
    setOffset(target, writeBytes(target, start, plainHead), bodyStart);
    return start;
  }
  const isPadded = ((end - fields) & 7) !== 0;
  const head = isPadded ? paddedHead : stampedHead;
  const start = fields - (isPadded ? 4 : 0) - 8 - 4 - head.length;
  const at = writeBytes(target, start, head);
  setOffset(target, at, bodyStart);
  int64.setBigInt64(0, timestamp, true);
  writeBytes(target, at + 4, int64Bytes);
  if (isPadded) writeUint32(target, fields - 4, 0);
  return start;
}

/**
 * The same with an id, an offset or both. Nothing of it is made beforehand: whether the timestamp is there, and where
 * padding is, makes twelve forms. It is written from its end to its beginning, as a Builder does it.
 */
function writeNumberedHead(target: Uint8Array, timestamp: bigint, id: number, offset: number, end: number): number {
  let at = bodyStart - 12;
  const stamp = timestamp === 0n ? 0 : spaceBefore(target, at, end);
  if (stamp !== 0) {
    int64.setBigInt64(0, timestamp, true);
    writeBytes(target, stamp, int64Bytes);
    at = stamp;
  }
  const clientId = at - 4;
  setOffset(target, clientId, bodyStart);
  at = clientId;
  const idAt = id > 0 ? spaceBefore(target, at, end) : 0;
  if (idAt !== 0) at = writeNumber(target, idAt, id);
  const offsetAt = offset > 0 ? spaceBefore(target, at, end) : 0;
  if (offsetAt !== 0) at = writeNumber(target, offsetAt, offset);

  const table = at - 4;
  const slots = offsetAt !== 0 ? offsetSlot + 1 : idSlot + 1;
  const vtableBytes = 4 + slots * 2;
  writeUint32(target, table, vtableBytes);
  const vtable = table - vtableBytes;
  writeUint16(target, vtable, vtableBytes);
  writeUint16(target, vtable + 2, bodyStart - table);
  writeUint16(target, vtable + 4, bodyStart - 4 - table);
  writeUint16(target, vtable + 6, bodyStart - 8 - table);
  writeUint16(target, vtable + 8, bodyStart - 12 - table);
  writeUint16(target, vtable + 10, stamp === 0 ? 0 : stamp - table);
  writeUint16(target, vtable + 12, clientId - table);
  writeUint16(target, vtable + 14, idAt === 0 ? 0 : idAt - table);
  if (offsetAt !== 0) writeUint16(target, vtable + 16, offsetAt - table);

  // The message's length is a multiple of eight.
  const start = vtable - 4 - ((vtable - 4 - end) & 7);
  for (let padding = start + 4; padding < vtable; padding++) target[padding] = 0;
  setOffset(target, start, table);
  return start;
}

/** Where eight bytes before `at` begin, at a multiple of eight from the message's end; what is between is padding. */
function spaceBefore(target: Uint8Array, at: number, end: number): number {
  // Everything here is at a multiple of four.
  if (((end - at) & 7) === 0) return at - 8;
  writeUint32(target, at - 4, 0);
  return at - 12;
}

/** Writes a safe integer as a ulong, and returns where it begins. */
function writeNumber(target: Uint8Array, at: number, value: number): number {
  writeUint32(target, at, value >>> 0);
  writeUint32(target, at + 4, highWordOf(value));
  return at;
}

/** Writes length, text, NUL and padding to a multiple of four, and returns the offset after them. */
function writeString(target: Uint8Array, start: number, text: string): number {
  let at = writeUtf8(target, start + 4, text);
  writeUint32(target, start, at - start - 4);
  do target[at++] = 0;
  while ((at & 3) !== 0);
  return at;
}

function writeUtf8(target: Uint8Array, start: number, text: string): number {
  const length = text.length;
  // A lone surrogate becomes U+FFFD, as TextEncoder makes it.
  if (length > shortText) return writeText(target, start, text.toWellFormed());
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i);
    if (unit >= 0x80) return writeText(target, start, text.toWellFormed());
    target[start + i] = unit;
  }
  return start + length;
}

/** Writes the offset from the field at `at` to what is at `to`. */
function setOffset(target: Uint8Array, at: number, to: number): void {
  writeUint32(target, at, to - at);
}

function writeUint16(target: Uint8Array, at: number, value: number): void {
  target[at] = value;
  target[at + 1] = value >>> 8;
}

function writeUint32(target: Uint8Array, at: number, value: number): void {
  target[at] = value;
  target[at + 1] = value >>> 8;
  target[at + 2] = value >>> 16;
  target[at + 3] = value >>> 24;
}

function textAt(bytes: Uint8Array, slot: number): string {
  const start = root.vector(bytes, slot);
  const length = root.vectorBytes;
  if (length === 0) return '';
  if (length > longestTextBytes) throw malformed(start - 4, 'text too long');
  const text = readText(bytes, start, start + length);
  // Invalid UTF-8 was read as U+FFFD. Looking for that character costs far less than a pass over the bytes.
  if (text.includes(replacement)) expectUtf8(bytes, start, text);
  return text;
}

/** Throws unless the bytes at `start` are the UTF-8 of the text that was read from them. */
function expectUtf8(bytes: Uint8Array, start: number, text: string): void {
  const expected = textBytes(text);
  for (let i = 0; i < expected.length; i++) {
    if (expected[i] !== bytes[start + i]) throw malformed(start + i, 'invalid UTF-8');
  }
}

function dataAt(bytes: Uint8Array, slot: number): Uint8Array | null {
  const start = root.vector(bytes, slot);
  const length = root.vectorBytes;
  return length === 0 ? null : bytes.subarray(start, start + length);
}

function int64At(bytes: Uint8Array, slot: number): bigint {
  const at = root.field(bytes, slot, 8);
  if (at === 0) return 0n;
  int64.setUint32(0, readUint32(bytes, at), true);
  int64.setUint32(4, readUint32(bytes, at + 4), true);
  return int64.getBigInt64(0, true);
}

function safeIntegerAt(bytes: Uint8Array, slot: number, name: string): number {
  const at = root.field(bytes, slot, 8);
  if (at === 0) return 0;
  const high = readUint32(bytes, at + 4);
  if (high > maxSafeHigh) throw malformed(at, `"${name}" is not an integer ${safeIntegerRange}`);
  return numberOfWords(high, readUint32(bytes, at));
}
