import protobuf from 'protobufjs/minimal.js';
import { EngineError } from '../../errors/index.ts';
import { malformed } from '../malformed.ts';
import { safeIntegerRange } from '../safe-integer.ts';
import { readText, textBytes } from '../text.ts';
import type { StaticType } from './envelope.generated.ts';

/** Names up to this many bytes are looked at byte by byte; for longer ones the decoder is quicker. */
const shortText = 32;
const replacement = '\ufffd';

const nothing: Uint8Array = new Uint8Array(0);
const words: DataView = new DataView(new ArrayBuffer(8));

/** What protobufjs's reader does that static code and the class below use, with int64 as a bigint. */
interface WireReader extends Omit<protobuf.Reader, 'int64' | 'uint64' | 'stringVerify' | 'skip' | 'skipType'> {
  int64(): bigint;
  uint64(): number;
  stringVerify(): string;
  skip(length?: number): this;
  skipType(wireType: number, depth?: number, fieldNumber?: number): this;
}

const BaseReader = protobuf.Reader as unknown as new (bytes: Uint8Array) => WireReader;

/**
 * protobufjs's reader, used again and again, and stricter: a field of the message with another wire type
 * than its own, invalid UTF-8 in a string, a varint that is longer than ten bytes or above 64 bits, and a uint64 above
 * 2^53 - 1 are errors.
 */
class EnvelopeReader extends BaseReader {
  /** The message's own fields are numbered from 1 to this. */
  #fields = 0;

  constructor() {
    super(nothing);
    // A program may have changed protobufjs's own default, which is to discard unknown fields.
    this.discardUnknown = true;
  }

  open(bytes: Uint8Array, fields: number): void {
    this.buf = bytes;
    this.pos = 0;
    this.len = bytes.length;
    this.#fields = fields;
  }

  override int64(): bigint {
    let low = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.#next();
      low |= (byte & 0x7f) << shift;
      if (byte < 0x80) return int64Of(0, low);
    }
    const middle = this.#next();
    low |= middle << 28;
    let high = (middle & 0x7f) >> 4;
    if (middle < 0x80) return int64Of(high, low);
    for (let shift = 3; shift < 31; shift += 7) {
      const byte = this.#next();
      high |= (byte & 0x7f) << shift;
      if (byte < 0x80) return int64Of(high, low);
    }
    const last = this.#next();
    if (last > 1) throw malformed(this.pos - 1, 'varint above 64 bits');
    return int64Of(high | (last << 31), low);
  }

  /** No BigInt is made: the numbers that are uint64 in the schema are safe integers. */
  override uint64(): number {
    const start = this.pos;
    let value = 0;
    for (let scale = 1; scale <= 2 ** 63; scale *= 0x80) {
      const byte = this.#next();
      value += (byte & 0x7f) * scale;
      if (byte >= 0x80) continue;
      // A sum that was rounded is above 2^53 in any case.
      if (value > Number.MAX_SAFE_INTEGER) throw malformed(start, `number not ${safeIntegerRange}`);
      return value;
    }
    throw malformed(start, 'varint above 64 bits');
  }

  override stringVerify(): string {
    const length = this.size();
    const start = this.pos;
    const end = start + length;
    if (end > this.len) throw malformed(start, 'unexpected end');
    this.pos = end;
    const text = readText(this.buf, start, end);
    if (length <= shortText && isAscii(this.buf, start, end)) return text;
    // Invalid bytes were read as U+FFFD. The text then has other bytes than those it was read from.
    if (text.includes(replacement) && !isText(text, this.buf, start, end)) throw malformed(start, 'invalid UTF-8');
    return text;
  }

  override skip(length?: number): this {
    if (length !== undefined) return super.skip(length);
    const start = this.pos;
    while (this.#next() >= 0x80) {
      if (this.pos - start === 10) throw malformed(start, 'varint above 64 bits');
    }
    return this;
  }

  /** Static code comes here with unknown fields, and with known ones whose wire type is another than theirs. */
  override skipType(wireType: number, depth: number = 0, fieldNumber?: number): this {
    if (depth === 0 && fieldNumber !== undefined && fieldNumber > 0 && fieldNumber <= this.#fields) {
      throw malformed(this.pos, `wire type ${wireType} in field ${fieldNumber}`);
    }
    return super.skipType(wireType, depth, fieldNumber);
  }

  #next(): number {
    if (this.pos >= this.len) throw malformed(this.pos, 'unexpected end');
    return this.buf[this.pos++] as number;
  }
}

/** Serves all messages: a read never runs inside another. */
const reader: EnvelopeReader = new EnvelopeReader();

/**
 * Reads a whole message with its static code.
 *
 * @param fields how many fields the message has; they are numbered from 1
 * @throws EngineError ERR_MESSAGE_MALFORMED
 */
export function readMessage<Message>(type: StaticType<Message>, bytes: Uint8Array, fields: number): Message {
  reader.open(bytes, fields);
  try {
    return type.decode(reader);
  } catch (error) {
    throw error instanceof EngineError ? error : malformed(Math.min(reader.pos, bytes.length), faultOf(error));
  } finally {
    // Do not keep the message's memory alive.
    reader.open(nothing, 0);
  }
}

/** The text of an error of protobufjs, without the position that it ends with. */
function faultOf(error: unknown): string {
  if (error instanceof RangeError) return 'unexpected end';
  return error instanceof Error ? error.message.replace(/ at offset \d+$/, '') : 'undecodable';
}

function int64Of(high: number, low: number): bigint {
  words.setInt32(0, high);
  words.setInt32(4, low);
  return words.getBigInt64(0);
}

function isAscii(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    if ((bytes[at] as number) >= 0x80) return false;
  }
  return true;
}

/** Whether `bytes[start … end]` is just what the text is in UTF-8. */
function isText(text: string, bytes: Uint8Array, start: number, end: number): boolean {
  const written = textBytes(text);
  if (written.length !== end - start) return false;
  for (let i = 0; i < written.length; i++) {
    if (written[i] !== bytes[start + i]) return false;
  }
  return true;
}
