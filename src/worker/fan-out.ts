import { codecs, type Envelope, Scratch } from '../shared/codec/index.ts';
import { type Counters, counter } from '../shared/counters.ts';
import type { Audience } from './audience.ts';
import type { ShardConnection } from './shard-connection.ts';
import type { SendVerdict, Transport } from './transport/transport.ts';

/**
 * Takes a message to the members of an audience in this shard: encoded once per codec that has members, published once
 * per codec as a native topic (checklist H-55). No loop here runs per subscriber.
 */
export class FanOut {
  readonly #transport: Transport;
  readonly #counters: Counters;
  readonly #compressFromBytes: number;
  readonly #scratch = new Scratch();

  /** Payloads of at least `compressFromBytes` may be compressed. */
  constructor(transport: Transport, counters: Counters, compressFromBytes: number) {
    this.#transport = transport;
    this.#counters = counters;
    this.#compressFromBytes = compressFromBytes;
  }

  deliver(audience: Audience, envelope: Envelope): void {
    const counters = this.#counters;
    for (const codec of codecs) {
      const members = audience.counts[codec.index] ?? 0;
      if (members === 0) continue;
      const payload = codec.encode(envelope, this.#scratch);
      counters.add(counter.encodes, 1);
      counters.add(counter.messagesOut, members);
      counters.add(counter.bytesOut, members * payload.length);
      const compress = payload.length >= this.#compressFromBytes;
      this.#transport.publish(audience.topicOf(codec.index), payload, codec.binary, compress);
    }
  }

  send(connection: ShardConnection, envelope: Envelope): SendVerdict {
    const { socket } = connection;
    if (socket === null) return 'closed';
    const counters = this.#counters;
    const payload = connection.codecImpl.encode(envelope, this.#scratch);
    counters.add(counter.encodes, 1);
    const compress = payload.length >= this.#compressFromBytes;
    const verdict = socket.send(payload, connection.codecImpl.binary, compress);
    if (verdict === 'sent' || verdict === 'buffered') {
      counters.add(counter.messagesOut, 1);
      counters.add(counter.bytesOut, payload.length);
    }
    return verdict;
  }
}
