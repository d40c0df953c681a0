import type { Codec, Envelope } from '../../shared/codec/index.ts';
import { errorCode } from '../../shared/errors/index.ts';
import type { BenchPlan } from './plan.ts';
import { readSequence, readStamp, type Stamp } from './stamp.ts';
import { codecOf, type Template } from './template.ts';

/**
 * The kind of a received message. `numbered`: the answer to the message with that number. `oldest`: the answer to the
 * message that has waited longest.
 */
export type Reading = 'numbered' | 'oldest' | 'error' | 'other';

/** The code that a server's `error` message names. */
function errorOf({ data }: Envelope): string {
  try {
    const { code }: { readonly code?: unknown } = JSON.parse(Buffer.from(data ?? []).toString());
    return typeof code === 'string' && /^[\w .-]{1,64}$/.test(code) ? code : 'error without a code';
  } catch {
    return 'error without a code';
  }
}

function decoded(codec: Codec, message: Uint8Array): Envelope | string {
  try {
    return codec.decode(message);
  } catch (error) {
    return errorCode(error) ?? 'ERR_MESSAGE_MALFORMED';
  }
}

function areEqual(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}

/** The offset of `part` in `whole`; -1: it is a copy. */
function offsetIn(whole: Uint8Array, part: Uint8Array): number {
  return part.buffer === whole.buffer ? part.byteOffset - whole.byteOffset : -1;
}

/**
 * Recognises the answers to echoes on one connection. Of shardwire's messages it decodes the first. Later ones of the
 * same length with a number at the same place are recognised by that, so that the client does not become the
 * bottleneck.
 */
export class EchoReader {
  readonly #codec: Codec | null;
  readonly #template: Template;
  readonly #anyAnswer: boolean;
  #knownBytes = -1;
  #knownAt = -1;
  /** After `numbered`. */
  sequence = -1;
  /** After `error`. */
  errorKind = '';

  constructor(plan: BenchPlan, template: Template) {
    this.#codec = codecOf(plan);
    this.#template = template;
    this.#anyAnswer = plan.anyAnswer;
  }

  read(message: Uint8Array): Reading {
    if (this.#codec === null) return this.#anyAnswer ? 'oldest' : this.#match(message);
    if (message.length === this.#knownBytes) {
      this.sequence = readSequence(message, this.#knownAt);
      if (this.sequence >= 0) return 'numbered';
    }
    return this.#readEnvelope(this.#codec, message);
  }

  #readEnvelope(codec: Codec, message: Uint8Array): Reading {
    const envelope = decoded(codec, message);
    if (typeof envelope === 'string' || envelope.type === 'error') {
      this.errorKind = typeof envelope === 'string' ? envelope : errorOf(envelope);
      return 'error';
    }
    if (this.#anyAnswer) return 'oldest';
    const { data } = envelope;
    const reading = this.#match(data ?? new Uint8Array(0));
    if (reading !== 'numbered' || data === null) return reading;
    const at = offsetIn(message, data);
    if (at >= 0) {
      this.#knownBytes = message.length;
      this.#knownAt = at + this.#template.payloadStampAt;
    }
    return reading;
  }

  #match(payload: Uint8Array): Reading {
    const { payload: wanted, payloadStampAt } = this.#template;
    if (payload.length !== wanted.length) return 'other';
    if (payloadStampAt < 0) return areEqual(payload, wanted) ? 'oldest' : 'other';
    this.sequence = readSequence(payload, payloadStampAt);
    return this.sequence < 0 ? 'other' : 'numbered';
  }
}

/**
 * Recognises the deliveries of a fan-out to one connection by the run's digits, wherever the server has put them in a
 * message.
 */
export class DeliveryReader {
  readonly #codec: Codec | null;
  readonly #channel: string;
  readonly #payloadBytes: number;
  readonly #run: Buffer;
  #knownAt = -1;
  /** After `numbered`. */
  readonly stamp: Stamp = { publisher: 0, sequence: 0, timeMs: 0 };
  errorKind = '';

  constructor(plan: BenchPlan, template: Template) {
    this.#codec = codecOf(plan);
    this.#channel = plan.channel;
    this.#payloadBytes = template.payload.length;
    this.#run = Buffer.from(plan.runId);
  }

  read(message: Uint8Array): Exclude<Reading, 'oldest'> {
    const at = this.#find(message);
    if (at >= 0 && readStamp(message, at, this.stamp)) {
      if (at === this.#knownAt || this.#codec === null || this.#isDelivery(this.#codec, message)) {
        this.#knownAt = at;
        return 'numbered';
      }
      return 'other';
    }
    if (this.#codec === null) return 'other';
    const envelope = decoded(this.#codec, message);
    if (typeof envelope !== 'string' && envelope.type !== 'error') return 'other';
    this.errorKind = typeof envelope === 'string' ? envelope : errorOf(envelope);
    return 'error';
  }

  #find(message: Uint8Array): number {
    const run = this.#run;
    const known = this.#knownAt;
    if (known >= 0) {
      let place = 0;
      while (place < run.length && message[known + place] === run[place]) place += 1;
      if (place === run.length) return known;
    }
    return Buffer.from(message.buffer, message.byteOffset, message.byteLength).indexOf(run);
  }

  /** Checked for each new place of the stamp, not for each message. */
  #isDelivery(codec: Codec, message: Uint8Array): boolean {
    const envelope = decoded(codec, message);
    if (typeof envelope === 'string') return false;
    const { type, channel, data } = envelope;
    return type === 'message' && channel === this.#channel && data?.length === this.#payloadBytes;
  }
}
