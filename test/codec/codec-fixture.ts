import assert from 'node:assert/strict';
import { type Envelope, jsonCodec } from '#dist/shared/codec/index.js';
import { fc } from '../support/properties.ts';

/** UTF-8 of a text, as plain bytes and not as a Buffer. */
export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function textOf(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
}

export function envelopeOf(fields: Partial<Envelope>): Envelope {
  return { type: '', channel: '', data: null, timestamp: 0n, clientId: '', id: 0, offset: 0, ...fields };
}

/** What an envelope says, in a form that compares by value and shows well when it differs. */
export function saidBy(envelope: Envelope): Record<string, unknown> {
  const { type, channel, data, timestamp, clientId, id, offset } = envelope;
  const text = data === null ? null : Buffer.from(data).toString('latin1');
  return { type, channel, data: text, timestamp, clientId, id, offset };
}

/** What `id` and `offset` may be, the edges of each width of their forms more often than chance would choose them. */
export const safeIntegers: fc.Arbitrary<number> = fc.oneof(
  { weight: 3, arbitrary: fc.constant(0) },
  { weight: 2, arbitrary: fc.nat(300) },
  { weight: 2, arbitrary: fc.maxSafeNat() },
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.nat(53), fc.constantFrom(-1, 0, 1))
      .map(([bit, more]) => Math.min(2 ** bit + more, Number.MAX_SAFE_INTEGER)),
  },
);

export function decodeText(text: string): Envelope {
  return jsonCodec.decode(bytesOf(text));
}

export function encodeText(fields: Partial<Envelope>): string {
  return textOf(jsonCodec.encode(envelopeOf(fields)));
}

/** Asserts that these bytes are refused the one way in which bytes may be, and gives the text of the refusal. */
export function refusalOf(bytes: Uint8Array): string {
  try {
    jsonCodec.decode(bytes);
  } catch (error) {
    return malformedText(error);
  }
  assert.fail(`decoded without an error: ${Buffer.from(bytes).toString('latin1').slice(0, 200)}`);
}

export function malformedText(error: unknown): string {
  assert.ok(error instanceof Error, String(error));
  assert.equal((error as { code?: unknown }).code, 'ERR_MESSAGE_MALFORMED', error.stack);
  assert.match(error.message, /^message malformed at byte \d+: ./);
  return error.message;
}

/** Whether JSON.parse accepts a text. */
export function isParsed(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** A generator of numbers from 0 up to `below`, the same for the same seed (mulberry32). */
export type Random = (below: number) => number;

export function randomOf(seed: number): Random {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000) * below);
  };
}

export function pick<T>(random: Random, choices: readonly T[]): T {
  return choices[random(choices.length)] as T;
}

const spaces = ['', '', '', ' ', '\n', '\t\r ', '  '];
const scalars = ['0', '-0', '7', '-12.5', '1e3', '0.25E-7', '123456789012345678901', 'true', 'false', 'null', '""'];
const pieces = [
  'a',
  'key',
  ' ',
  '\\n',
  '\\"',
  '\\\\',
  '\\/',
  '\\u00e9',
  '\\ud83d\\ude00',
  '\\ud800',
  'é',
  '频',
  '😀',
  '\u2028',
  '\x7f',
];

/** Text of one JSON value with whitespace around it, of all kinds, nested at most `depth` deep. */
export function jsonTextOf(random: Random, depth: number): string {
  return pick(random, spaces) + valueText(random, depth) + pick(random, spaces);
}

function valueText(random: Random, depth: number): string {
  const kind = random(depth > 0 ? 6 : 3);
  if (kind === 0) return pick(random, scalars);
  if (kind < 3) return stringText(random);
  const parts: string[] = [];
  for (let left = random(4); left > 0; left--) {
    const value = jsonTextOf(random, depth - 1);
    parts.push(kind === 3 ? value : `${pick(random, spaces)}${stringText(random)}${pick(random, spaces)}:${value}`);
  }
  const inside = parts.length === 0 ? pick(random, spaces) : parts.join(',');
  return kind === 3 ? `[${inside}]` : `{${inside}}`;
}

function stringText(random: Random): string {
  let text = '';
  for (let left = random(5); left > 0; left--) text += pick(random, pieces);
  if (random(8) === 0) text += 'long enough to be skipped by words '.repeat(1 + random(5));
  return `"${text}"`;
}

/** Bytes that make or break JSON and UTF-8, more often than chance would choose them. */
const telling = bytesOf('{}[]",:\\ \n0123456789-+.eEtfnu/\0\x1f\x7f');
const tellingHigh = [0x80, 0xbf, 0xc0, 0xc1, 0xc2, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5, 0xff];

/** A copy with up to three bytes changed, removed, put in or cut off. */
export function mutated(random: Random, bytes: Uint8Array): Uint8Array {
  let list = Array.from(bytes);
  for (let left = 1 + random(3); left > 0; left--) {
    const at = random(list.length + 1);
    const byte = pick(random, [random(256), pick(random, tellingHigh), telling[random(telling.length)] as number]);
    const kind = random(8);
    if (kind < 3) list.splice(at, 1, byte);
    else if (kind < 5) list.splice(at, 0, byte);
    else if (kind < 7) list.splice(at, 1 + random(3));
    else list = list.slice(0, at);
  }
  return Uint8Array.from(list);
}
