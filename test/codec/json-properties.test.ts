import assert from 'node:assert/strict';
import { isUtf8 } from 'node:buffer';
import { describe, test } from 'node:test';
import { type Envelope, isJson, jsonCodec, Scratch } from '#dist/shared/codec/index.js';
import { assertLinear } from '../support/linear-time.ts';
import { fc } from '../support/properties.ts';
import {
  bytesOf,
  decodeText,
  envelopeOf,
  isParsed,
  jsonTextOf,
  malformedText,
  mutated,
  pick,
  type Random,
  randomOf,
  safeIntegers,
  saidBy,
  textOf,
} from './codec-fixture.ts';

const timestamps = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const names = fc.oneof(fc.string({ unit: 'binary', maxLength: 100 }), fc.string({ maxLength: 20 }), fc.constant(''));
const jsonData = fc.json().map(bytesOf);
const anyData = fc.oneof(jsonData, fc.uint8Array({ maxLength: 200 }), fc.constant(null));

const envelopes = (data: fc.Arbitrary<Uint8Array | null>): fc.Arbitrary<Envelope> =>
  fc.record({
    type: names,
    channel: names,
    data,
    timestamp: timestamps,
    clientId: names,
    id: safeIntegers,
    offset: safeIntegers,
  });

/**
 * As `saidBy`, with what two writings of one value share: whitespace around JSON data is not part of the value, and data
 * that means null is null.
 */
function expectedOf(envelope: Envelope): Record<string, unknown> {
  const { data } = envelope;
  if (data === null || !isUtf8(data) || !isParsed(textOf(data))) return saidBy(envelope);
  const value = textOf(data).replace(/^[ \t\n\r]+|[ \t\n\r]+$/g, '');
  return saidBy({ ...envelope, data: value === 'null' ? null : bytesOf(value) });
}

describe('the JSON codec', () => {
  test('any envelope comes back from its bytes as it was', () => {
    const scratch = new Scratch();
    fc.assert(
      fc.property(envelopes(anyData), (envelope) => {
        const kept = jsonCodec.encode(envelope);
        assert.deepEqual(saidBy(jsonCodec.decode(kept)), expectedOf(envelope));
        assert.deepEqual(Buffer.from(jsonCodec.encode(envelope, scratch)), Buffer.from(kept));
      }),
      // Whitespace around data is rare by chance.
      {
        numRuns: 5_000,
        examples: [' 0', '\n null '].map((text): [Envelope] => [envelopeOf({ data: bytesOf(text) })]),
      },
    );
  });

  test('any envelope with JSON data means to JSON.parse what it says', () => {
    fc.assert(
      fc.property(envelopes(jsonData), (envelope) => {
        const parsed = JSON.parse(textOf(jsonCodec.encode(envelope)));
        const { type, channel, data, timestamp, clientId, id, offset } = envelope;
        assert.deepEqual(parsed, {
          type,
          ...(id === 0 ? {} : { id }),
          ...(offset === 0 ? {} : { offset }),
          ...(channel === '' ? {} : { channel }),
          data: JSON.parse(textOf(data ?? bytesOf('null'))),
          ...(timestamp === 0n ? {} : { timestamp: Number(timestamp) }),
          ...(clientId === '' ? {} : { client_id: clientId }),
        });
      }),
      { numRuns: 5_000 },
    );
  });

  test('what decode says about data is what isJson says, and saves the look at encoding', () => {
    fc.assert(
      fc.property(envelopes(anyData), (envelope) => {
        const decoded = jsonCodec.decode(jsonCodec.encode(envelope));
        if (decoded.data !== null) assert.equal(decoded.dataIsJson, isJson(decoded.data));
        const unsaid = envelopeOf({ ...decoded, dataIsJson: undefined });
        assert.deepEqual(jsonCodec.encode(decoded), jsonCodec.encode(unsaid));
      }),
      { numRuns: 2_000 },
    );
  });

  test('documents with any members, case, order, escapes and whitespace are read as Go reads them', () => {
    for (let seed = 0; seed < 20_000; seed++) {
      const { text, expected } = documentOf(randomOf(seed));
      assert.deepEqual(saidBy(decodeText(text)), saidBy(expected), text);
    }
  });

  test('any bytes give an envelope or ERR_MESSAGE_MALFORMED, and nothing else', () => {
    const random = randomOf(7);
    let read = 0;
    for (let i = 0; i < 100_000; i++) {
      const bytes = junkOf(random);
      try {
        const { type, channel, data, timestamp, clientId, id, offset } = jsonCodec.decode(bytes);
        for (const name of [type, channel, clientId]) assert.equal(typeof name, 'string');
        assert.equal(typeof timestamp, 'bigint');
        for (const number of [id, offset]) assert.ok(Number.isSafeInteger(number) && number >= 0);
        assert.ok(data === null || data instanceof Uint8Array);
        read++;
      } catch (error) {
        malformedText(error);
      }
    }
    assert.ok(read > 10_000 && read < 90_000, `${read} read`);
  });

  test('messages of 2 MB take time in proportion to their length', () => {
    const shapes: readonly ((units: number) => string)[] = [
      (units) => `{"data":"${'plain ASCII. '.repeat(units)}"}`,
      (units) => `{"data":"${'频道 and é. '.repeat(units)}"}`,
      (units) => `{"data":"${'\\n\\u00e9\\\\x'.repeat(units)}"}`,
      (units) => `{"type":"${'\\n\\u00e9\\\\x'.repeat(units)}"}`,
      (units) => `{"data":[${'{"a":[1]},   '.repeat(units)}0]}`,
      (units) => `{${'"channel":"", '.repeat(units)}"type":"t"}`,
      (units) => `{"data_base64":"${'AAAAAAAAAAAA'.repeat(units)}"}`,
      (units) => `{"timestamp":-1${' '.repeat(units * 13)}}`,
      (units) => `{"data":${'1'.repeat(units * 13)}}`,
    ];
    for (const shape of shapes) {
      const small = bytesOf(shape(10_000));
      const large = bytesOf(shape(160_000));
      assertLinear(
        shape(1),
        () => again(small),
        () => again(large),
      );
    }
  });
});

const memberNames = [
  ...(['type', 'channel', 'client_id', 'timestamp', 'data', 'data_base64', 'id', 'offset'] as const),
  ...(['other', 'typ'] as const),
];

/** An object of random members, and what Go would make of it. */
function documentOf(random: Random): { text: string; expected: Envelope } {
  const expected = envelopeOf({});
  let binary: Uint8Array | null = null;
  const space = (): string => pick(random, ['', '', ' ', '\n\t']);
  const parts: string[] = [];
  for (let left = random(8); left > 0; left--) {
    const name = pick(random, memberNames);
    let value = 'null';
    if (name === 'timestamp') {
      if (random(4) > 0) {
        const number = BigInt.asIntN(64, BigInt(random(2 ** 32)) << BigInt(random(34)));
        expected.timestamp = number;
        value = String(number);
      }
    } else if (name === 'id' || name === 'offset') {
      expected[name] = Math.floor(random(2 ** 32) * 2 ** (random(54) - 32));
      value = String(expected[name]);
    } else if (name === 'data') {
      const raw = jsonTextOf(random, 2);
      const trimmed = raw.replace(/^[ \n\r\t]+|[ \n\r\t]+$/g, '');
      expected.data = trimmed === 'null' ? null : bytesOf(trimmed);
      value = raw;
    } else if (name === 'data_base64') {
      if (random(4) > 0) {
        binary = Uint8Array.from({ length: random(9) }, () => random(256));
        value = `"${escaped(random, Buffer.from(binary).toString('base64'))}"`;
      }
    } else if (name === 'other' || name === 'typ') {
      value = jsonTextOf(random, 2);
    } else if (random(4) > 0) {
      const text = pick(random, ['', 'message', 'news/europe', 'é频😀', 'a "quoted" \\ one\n', 'x'.repeat(90)]);
      value = `"${escaped(random, text)}"`;
      if (name === 'client_id') expected.clientId = text;
      else if (name === 'type') expected.type = text;
      else expected.channel = text;
    }
    parts.push(`${space()}"${escaped(random, anyCase(random, name))}"${space()}:${space()}${value}${space()}`);
  }
  expected.data ??= binary;
  return { text: `${space()}{${parts.length > 0 ? parts.join(',') : space()}}${space()}`, expected };
}

function anyCase(random: Random, name: string): string {
  return Array.from(name, (letter) => (random(4) === 0 ? letter.toUpperCase() : letter)).join('');
}

/** The text inside a string literal, with some escapes that are needed and some that are not. */
function escaped(random: Random, text: string): string {
  const rare = random(2) === 0;
  let result = '';
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (rare && random(5) === 0) result += `\\u${unit.toString(16).padStart(4, '0')}`;
    else if (unit >= 0xd800 && unit <= 0xdbff) result += text.slice(i, ++i + 1);
    else result += JSON.stringify(text.charAt(i)).slice(1, -1);
  }
  return result;
}

const tokens = [
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '"type"',
  '"data"',
  '"timestamp"',
  '"data_base64"',
  '"id"',
  '"offset"',
  '"aGk="',
  '1',
  '-0',
  '1.5',
  'null',
  ' ',
];

/** Noise, sequences of tokens, and messages with a few bytes wrong. */
function junkOf(random: Random): Uint8Array {
  const kind = random(10);
  if (kind === 0) return Uint8Array.from({ length: random(40) }, () => random(256));
  if (kind === 1) return bytesOf(`{${Array.from({ length: random(10) }, () => pick(random, tokens)).join('')}}`);
  const message = bytesOf(documentOf(random).text);
  return kind < 4 ? message : mutated(random, message);
}

function again(bytes: Uint8Array): void {
  jsonCodec.encode(jsonCodec.decode(bytes));
}
