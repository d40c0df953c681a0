import { type Codec, codecByName, type Envelope, isJson } from '../../shared/codec/index.ts';
import type { BenchPlan } from './plan.ts';
import { sequenceDigits, stampDigits } from './stamp.ts';

/** Stands for the stamp in a message of the user's own. */
export const stampMark = '{stamp}';

/** A message that is encoded once; only its stamp is written again for each sending. */
export interface Template {
  readonly bytes: Uint8Array;
  /** Where the stamp is, in `bytes`; -1: there is none. */
  readonly stampAt: number;
  /** The payload, which with an envelope is its `data`; and where the stamp is in it. */
  readonly payload: Uint8Array;
  readonly payloadStampAt: number;
  /** Where the number of the connection is in the name of its own channel; -1: it has none. */
  readonly channelAt: number;
  /** Goes in a text frame. */
  readonly isText: boolean;
}

const noFields: Envelope = { type: '', channel: '', data: null, timestamp: 0n, clientId: '', id: 0, offset: 0 };

/** The codec that a plan speaks; null: none. */
export function codecOf(plan: BenchPlan): Codec | null {
  return plan.codec === null ? null : (codecByName(plan.codec) ?? null);
}

/** Bytes of a stamp in the messages of this mode. */
export function stampBytes(plan: Pick<BenchPlan, 'mode'>): number {
  return plan.mode === 'fanout' ? stampDigits : sequenceDigits;
}

/** The payload with `digits` as its stamp. A payload that is too short for one has none. */
function payload(plan: BenchPlan, digits: string): Uint8Array {
  const { message, sizeBytes } = plan;
  const quoted = plan.codec !== null;
  if (message === null) {
    const room = sizeBytes - (quoted ? 2 : 0);
    const text = room < digits.length ? 'x'.repeat(Math.max(0, room)) : digits.padEnd(room, 'x');
    // Data of an envelope is JSON, so that JSON clients get it as it is.
    return Buffer.from(quoted ? `"${text}"` : text, 'latin1');
  }
  const text = message.replace(stampMark, digits);
  return Buffer.from(quoted && !isJson(Buffer.from(text)) ? JSON.stringify(text) : text);
}

/** Where the two begin to differ; -1: nowhere. */
function firstDifference(one: Uint8Array, other: Uint8Array): number {
  return one.findIndex((byte, at) => byte !== other[at]);
}

/** Digits of a connection's number in the name of its own channel. */
const channelDigits = sequenceDigits;

/** Bytes that are put behind the name of a channel that is a connection's own. */
export const ownChannelBytes: number = '-12345678-'.length + channelDigits;

/** A channel that only this connection of this run is subscribed to: what it publishes there comes back. */
function ownChannel({ channel, runId }: BenchPlan, number: string): string {
  return `${channel}-${runId}-${number}`;
}

/** Without a type of the user's own, an echo goes through a channel, for which no server needs a handler. */
function isOwnEcho({ mode, codec, type }: BenchPlan): boolean {
  return mode === 'echo' && codec !== null && type === null;
}

function encoded(plan: BenchPlan, data: Uint8Array, number: string): Uint8Array {
  const codec = codecOf(plan);
  if (codec === null) return data;
  const channel = plan.mode === 'fanout' ? plan.channel : ownChannel(plan, number);
  const fields = plan.type === null ? { type: 'publish', channel } : { type: plan.type };
  return codec.encode({ ...noFields, ...fields, data });
}

/** The message that clients send, echo or publish. */
export function messageTemplate(plan: BenchPlan): Template {
  const codec = codecOf(plan);
  // The digits that are the same in the whole run come before those that change with each message.
  const blank = plan.mode === 'fanout' ? plan.runId : '';
  const count = stampBytes(plan) - blank.length;
  const [low, high] = ['0', 'f'].map((digit) => payload(plan, blank + digit.repeat(count))) as [Uint8Array, Uint8Array];
  const [first, last] = ['0', 'f'].map((digit) => digit.repeat(channelDigits)) as [string, string];
  const bytes = encoded(plan, low, first);
  const at = firstDifference(bytes, encoded(plan, high, first));
  return {
    bytes,
    stampAt: at < 0 ? -1 : at - blank.length,
    payload: low,
    payloadStampAt: at < 0 ? -1 : firstDifference(low, high) - blank.length,
    channelAt: isOwnEcho(plan) ? firstDifference(bytes, encoded(plan, low, last)) : -1,
    isText: codec === null ? !plan.binary : !codec.binary,
  };
}

/** The first message of a connection, such as a subscription, so that it gets deliveries; null: none. */
export function subscription(plan: BenchPlan, number: number): Uint8Array | null {
  const codec = codecOf(plan);
  if (codec === null) return null;
  if (plan.mode === 'fanout') return subscribeMessage(codec, plan.channel);
  if (!isOwnEcho(plan)) return null;
  return subscribeMessage(codec, ownChannel(plan, number.toString(16).padStart(channelDigits, '0')));
}

function subscribeMessage(codec: Codec, channel: string): Uint8Array {
  const name = Buffer.from(channel);
  const data =
    codec.name === 'protobuf'
      ? // A ChannelRequest has one field, a text with the number 1; channels have at most 255 bytes.
        Buffer.concat([
          Buffer.from(name.length < 128 ? [0x0a, name.length] : [0x0a, (name.length & 127) | 128, name.length >> 7]),
          name,
        ])
      : Buffer.from(JSON.stringify({ channel }));
  return codec.encode({ ...noFields, type: 'subscribe', data });
}
