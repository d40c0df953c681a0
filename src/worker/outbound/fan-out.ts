import { type Codec, codecs, type Envelope, Scratch } from '../../shared/codec/index.ts';
import { type Counters, counter } from '../../shared/memory/counters.ts';
import type { ShardConnection } from '../connection/shard-connection.ts';
import { nextVariant } from '../connection/variants.ts';
import type { Sealer } from '../sealing/sealer.ts';
import { Payload } from '../sealing/shared-copy.ts';
import type { SendVerdict, Transport } from '../transport/transport.ts';
import type { Audience } from './audience.ts';
import type { SealedOut } from './sealed-out.ts';
import type { ShardBackpressure } from './shard-backpressure.ts';

/** Set if the engine has a `security` option. */
export interface SealingParts {
  readonly sealer: Sealer;
  readonly out: SealedOut;
}

/**
 * Takes a message to the members of an audience in this shard: encoded once per codec that has members, sealed once per
 * codec with the engine's keys, published once per codec as a native topic. No loop here runs per
 * subscriber, other than over those with keys or a session of their own.
 */
export class FanOut {
  readonly #transport: Transport;
  readonly #counters: Counters;
  readonly #sealing: SealingParts | null;
  readonly #compressFromBytes: number;
  readonly #backpressure: ShardBackpressure;
  readonly #scratch = new Scratch();

  /** Payloads of at least `compressFromBytes` may be compressed, unless they are sealed. */
  constructor(
    transport: Transport,
    counters: Counters,
    sealing: SealingParts | null,
    compressFromBytes: number,
    backpressure: ShardBackpressure,
  ) {
    this.#transport = transport;
    this.#counters = counters;
    this.#sealing = sealing;
    this.#compressFromBytes = compressFromBytes;
    this.#backpressure = backpressure;
  }

  fanOutEnvelope(audience: Audience, envelope: Envelope): void {
    for (const codec of codecs) {
      const { index } = codec;
      const plain = audience.counts[index] ?? 0;
      if (this.#sealing !== null) {
        if (!audience.hasMembers(index)) continue;
        this.#fanOutSealed(this.#sealing, audience, codec, new Payload(this.#encode(codec, envelope)));
      } else if (plain > 0) {
        this.#publishPlain(audience, index, plain, this.#encode(codec, envelope), codec.binary);
      }
    }
  }

  sendEnvelope(connection: ShardConnection, envelope: Envelope): SendVerdict {
    if (!connection.isOpen) return 'closed';
    const payload = this.#encode(connection.codecImpl, envelope);
    if (this.#sealing === null || !this.#sealing.sealer.isPiped(connection))
      return this.#sendPlain(connection, payload);
    return this.#sealing.out.sendSealed(connection, new Payload(payload));
  }

  #encode(codec: Codec, envelope: Envelope): Uint8Array {
    this.#counters.add(counter.encodes, 1);
    return codec.encode(envelope, this.#scratch);
  }

  #publishPlain(audience: Audience, variant: number, members: number, payload: Uint8Array, binary: boolean): void {
    this.#counters.add(counter.messagesOut, members);
    this.#counters.add(counter.bytesOut, members * payload.length);
    const compress = payload.length >= this.#compressFromBytes;
    this.#transport.publish(audience.topicOf(variant), payload, binary, compress);
    this.#backpressure.sent();
  }

  #fanOutSealed({ sealer, out }: SealingParts, audience: Audience, codec: Codec, payload: Payload): void {
    for (let variant: number = codec.index; variant >= 0; variant = nextVariant(variant)) {
      const members = audience.counts[variant] ?? 0;
      if (members === 0) continue;
      if (out.pipes(variant, codec.index)) out.publishSealed(audience, variant, payload, codec.index);
      else this.#publishPlain(audience, variant, members, payload.bytes, codec.binary);
    }
    const individuals = audience.individuals[codec.index];
    if (individuals === undefined) return;
    for (const connection of individuals) {
      if (sealer.isPiped(connection)) out.sendSealed(connection, payload);
      else this.#sendPlain(connection, payload.bytes);
    }
  }

  #sendPlain(connection: ShardConnection, payload: Uint8Array): SendVerdict {
    const { socket, codecImpl } = connection;
    const verdict = socket?.send(payload, codecImpl.binary, payload.length >= this.#compressFromBytes) ?? 'closed';
    if (verdict === 'sent' || verdict === 'buffered') {
      this.#counters.add(counter.messagesOut, 1);
      this.#counters.add(counter.bytesOut, payload.length);
      this.#backpressure.sent();
    }
    return verdict;
  }
}
