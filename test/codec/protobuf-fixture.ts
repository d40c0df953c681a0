import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';
import type { Envelope } from '#dist/shared/codec/index.js';
import { protobufCodec } from '#dist/shared/codec/protobuf-codec.js';
import { bytesOf, malformedText, mutated, pick, type Random } from './codec-fixture.ts';

/** Bytes from hexadecimal digits; spaces are for the reader. */
export function hex(digits: string): Uint8Array {
  return Uint8Array.from(Buffer.from(digits.replaceAll(' ', ''), 'hex'));
}

export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** Asserts that these bytes are refused the one way in which bytes may be, and gives the text of the refusal. */
export function refusalOf(bytes: Uint8Array): string {
  try {
    protobufCodec.decode(bytes);
  } catch (error) {
    return malformedText(error);
  }
  assert.fail(`decoded without an error: ${hexOf(bytes).slice(0, 200)}`);
}

/** protobufjs's reflection over the .proto file, which shares no code with the static one. */
export const schema: protobuf.Root = new protobuf.Root().loadSync(
  fileURLToPath(new URL('../../../src/shared/codec/protobuf/envelope.proto', import.meta.url)),
);
const wsMessage = schema.lookupType('hypgo.websocket.WsMessage');

/** The bytes that reflection writes for an envelope. */
export function reflectedBytes(envelope: Envelope): Uint8Array {
  const { type, channel, data, clientId } = envelope;
  const [timestamp, id, offset] = [envelope.timestamp, BigInt(envelope.id), BigInt(envelope.offset)].map((value) => {
    const [low, high] = [value, value >> 32n].map((word) => Number(BigInt.asIntN(32, word)));
    return { low, high, unsigned: false };
  });
  return wsMessage.encode({ type, channel, data, timestamp, clientId, id, offset }).finish();
}

/** The envelope that reflection reads. */
export function reflectedEnvelope(bytes: Uint8Array): Envelope {
  const message = wsMessage.toObject(wsMessage.decode(bytes), { defaults: true, longs: String });
  const { type, channel, clientId, ...rest } = message as Record<keyof Envelope, string> & { data: Uint8Array };
  const data = rest.data.length === 0 ? null : rest.data;
  const numbers = { timestamp: BigInt(rest.timestamp), id: Number(rest.id), offset: Number(rest.offset) };
  return { type, channel, data, clientId, ...numbers };
}

/** The golden vectors that are envelopes, as bytes. */
export const goldenBytes: readonly Uint8Array[] = [
  '0a076d65737361676512046e6577731a077b2261223a317d20959a97ece39fe7cb172a08636c69656e742d31',
  '0a0470696e67',
  '0a097375627363726962651a060a046e657773',
  '0a076d6573736167651201631a177b20226822203a20223c623e26e280a83c2f623e22207d20ffffffffffffffffff01',
  '0a02c3a91206e9a291e981931a0422c3a92220052a0163',
].map(hex);

/** Noise, golden vectors, and messages of known and unknown fields in any order, some of each with bytes wrong. */
export function junkOf(random: Random): Uint8Array {
  const kind = random(10);
  if (kind === 0) return Uint8Array.from({ length: random(40) }, () => random(256));
  if (kind < 4) return mutated(random, pick(random, goldenBytes));
  const message = Uint8Array.from(fieldsOf(random, 3));
  return kind < 8 ? message : mutated(random, message);
}

const texts = ['', 'message', 'é频😀', '\ufffd', '\ufeffa', 'x'.repeat(40), `${'é'.repeat(20)}\ufffd`].map(bytesOf);
const wrongTexts = ['ff', 'c0af', 'eda080', 'f4908080', `${'61'.repeat(40)}c3`].map(hex);

/** Several fields, mostly as WsMessage has them. */
function fieldsOf(random: Random, depth: number): number[] {
  const bytes: number[] = [];
  for (let left = random(6); left > 0; left--) {
    const field = random(3) > 0 ? 1 + random(7) : pick(random, [8, 15, 16, 2047, 536870911]);
    const isNumber = field === 4 || field === 6 || field === 7;
    const usual = isNumber ? 0 : 2;
    const wireType = random(12) > 0 ? (field < 8 ? usual : pick(random, [0, 1, 2, 3, 5])) : random(8);
    bytes.push(...varintOf(BigInt(field) * 8n + BigInt(wireType)));
    if (wireType === 0) {
      // Some of them are above 2^53 - 1, which is no id and no offset.
      const most = field === 4 || random(12) === 0 ? 33 : 22;
      bytes.push(...varintOf(BigInt.asUintN(64, BigInt(random(2 ** 32)) << BigInt(random(most)))));
    } else if (wireType === 2) {
      const text = random(15) > 0 ? pick(random, texts) : pick(random, wrongTexts);
      bytes.push(...varintOf(BigInt(text.length)), ...text);
    } else if (wireType === 3 && depth > 0) {
      bytes.push(...fieldsOf(random, depth - 1), ...varintOf(BigInt(field) * 8n + 4n));
    } else if (wireType === 1 || wireType === 5) {
      for (let i = wireType === 1 ? 8 : 4; i > 0; i--) bytes.push(random(256));
    }
  }
  return bytes;
}

function varintOf(value: bigint): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  bytes.push(Number(rest));
  return bytes;
}
