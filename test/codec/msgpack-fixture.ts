import assert from 'node:assert/strict';
import { encode } from '@msgpack/msgpack';
import type { Envelope } from '#dist/shared/codec/index.js';
import { msgpackCodec } from '#dist/shared/codec/msgpack-codec.js';
import { bytesOf, malformedText } from './codec-fixture.ts';

export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** Bytes written in hexadecimal; spaces are for the reader. */
export function bytesOfHex(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
}

/** The str with one of the short heads, in hexadecimal. */
export function str(text: string): string {
  return hexOf(encode(text));
}

export function bin(text: string): string {
  return hexOf(encode(bytesOf(text)));
}

/** A map in hexadecimal: keys as text, values as hexadecimal. */
export function mapOf(...entries: readonly (readonly [key: string, hex: string])[]): string {
  assert.ok(entries.length < 16);
  return (0x80 | entries.length).toString(16) + entries.map(([key, value]) => str(key) + value).join('');
}

export function decodeHex(hex: string): Envelope {
  return msgpackCodec.decode(bytesOfHex(hex));
}

/** Asserts that these bytes are refused the one way in which bytes may be, and gives the text of the refusal. */
export function refusalOfHex(hex: string): string {
  try {
    decodeHex(hex);
  } catch (error) {
    return malformedText(error);
  }
  assert.fail(`decoded without an error: ${hex}`);
}
