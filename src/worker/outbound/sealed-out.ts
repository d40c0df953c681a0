import type { ShardJob } from '../../shared/bus/ipc.ts';
import type { EngineConfig } from '../../shared/config/config.ts';
import type { OffloadOutcome } from '../../shared/config/offload.ts';
import { closeCode } from '../../shared/errors/index.ts';
import { type Counters, counter } from '../../shared/memory/counters.ts';
import { runJob, type SealJob } from '../../shared/security/index.ts';
import type { ShardConnection } from '../connection/shard-connection.ts';
import { formOfVariant } from '../connection/variants.ts';
import { Lane, type Slot } from '../offload/lane.ts';
import type { OffloadPort } from '../offload/offload-port.ts';
import type { Sealer } from '../sealing/sealer.ts';
import type { Payload } from '../sealing/shared-copy.ts';
import { asBinary, type SendVerdict, type Transport, uncompressed } from '../transport/transport.ts';
import type { Audience } from './audience.ts';
import type { ShardBackpressure } from './shard-backpressure.ts';

export interface SealedOutOptions {
  readonly config: EngineConfig;
  readonly counters: Counters;
  readonly transport: Transport;
  readonly sealer: Sealer;
  readonly offload: OffloadPort<ShardJob>;
  readonly backpressure: ShardBackpressure;
  /** A message was not given to this connection: its bound of bytes that wait is reached. */
  dropped(connection: ShardConnection): void;
  /** All that waited for the pool on its way to this connection has been sent. */
  flushed(connection: ShardConnection): void;
  error(error: unknown): void;
}

/**
 * A lane that holds more than this has its oldest jobs done in this thread: memory stays bounded, and nothing is lost.
 */
const laneLimitBytes = 16_777_216;

/**
 * Seals what goes out and sends it, in order. Small payloads are sealed here; large ones in the pool, and whatever
 * follows on the same lane waits for them.
 */
export class SealedOut {
  readonly #options: SealedOutOptions;
  readonly #counters: Counters;
  readonly #sealer: Sealer;
  /** Lanes with something in them. */
  readonly #lanes = new Set<Lane>();

  constructor(options: SealedOutOptions) {
    this.#options = options;
    this.#counters = options.counters;
    this.#sealer = options.sealer;
  }

  /** Whether nothing waits for the pool. */
  get isIdle(): boolean {
    return this.#lanes.size === 0;
  }

  /** The connection is gone. */
  forget(connection: ShardConnection): void {
    if (connection.lane === null) return;
    this.#lanes.delete(connection.lane);
    connection.lane.discard();
    connection.lane = null;
  }

  /** Does here and now what was to be done in the pool. */
  finishNow(): void {
    for (const lane of [...this.#lanes]) lane.finishNow();
  }

  /** Whether members of this variant get sealed or flagged frames. */
  pipes(variant: number, codecIndex: number): boolean {
    return this.#sealer.hasKeys || variant !== codecIndex;
  }

  /** Seals once for all members of a variant. */
  publishSealed(audience: Audience, variant: number, payload: Payload, codecIndex: number): void {
    const { length } = payload.bytes;
    const sealing = formOfVariant(variant);
    const level = this.#sealer.deflateLevel(sealing, length);
    if (this.#isLarge(length, level)) {
      const job = this.#sealer.sealForAll(payload.shared, sealing, codecIndex);
      const lane = (): Lane => {
        audience.lanes[variant] ??= this.#open(
          (frame) => this.#publishFrame(audience, variant, frame),
          () => {
            audience.lanes[variant] = undefined;
          },
        );
        return audience.lanes[variant];
      };
      if (this.#offload(job, lane)) return;
    }
    const frame = this.#seal(this.#sealer.sealForAll(payload.bytes, sealing, codecIndex));
    const lane = audience.lanes[variant];
    if (lane === undefined) this.#publishFrame(audience, variant, frame);
    else this.#push(lane, frame);
  }

  /** Seals for one connection. */
  sendSealed(connection: ShardConnection, payload: Payload): SendVerdict {
    const { socket } = connection;
    if (socket === null) return 'closed';
    if (!this.greet(connection)) {
      // Its key was taken away. Closed later, because the caller may be iterating over an audience.
      if (connection.isGreeted) setImmediate(() => connection.close(closeCode.internalError, 'no key'));
      return 'closed';
    }
    const { length } = payload.bytes;
    if (connection.lane !== null && this.#isOver(connection, length)) {
      // The pool may be slow, and not the client: do the waiting jobs first.
      connection.lane.finishNow();
      if (this.#isOver(connection, length)) {
        this.#options.dropped(connection);
        return 'dropped';
      }
    }
    const level = this.#sealer.deflateLevel(connection.sealing, length);
    const large = this.#isLarge(length, level);
    const job = this.#sealer.sealFor(connection, large ? payload.shared : payload.bytes);
    if (large && this.#offload(job, () => this.#laneOf(connection))) return 'buffered';
    const frame = this.#seal(job);
    if (connection.lane === null) return this.#sendFrame(connection, frame);
    this.#push(connection.lane, frame);
    return 'buffered';
  }

  /** Sends the first frame of a session, if that was not done yet. False: there is no key to seal with. */
  greet(connection: ShardConnection): boolean {
    if (connection.session === null) return true;
    if (!this.#sealer.hasKeyFor(connection)) return false;
    if (connection.isGreeted) return true;
    const job = this.#sealer.hello(connection);
    if (job === null) return false;
    connection.isGreeted = true;
    connection.socket?.send(this.#seal(job), asBinary, uncompressed);
    return true;
  }

  #isOver(connection: ShardConnection, bytes: number): boolean {
    return connection.bufferedBytes + bytes > this.#options.config.maxBackpressureBytes;
  }

  #isLarge(bytes: number, deflateLevel: number): boolean {
    const { threads, thresholdBytes } = this.#options.config.offload;
    return threads > 0 && (bytes >= thresholdBytes.seal || (deflateLevel > 0 && bytes >= thresholdBytes.deflate));
  }

  #seal(job: SealJob): Uint8Array {
    this.#counters.add(counter.seals, 1);
    return runJob(job);
  }

  /** False: the pool does not take it. The lane is asked for only if it does. */
  #offload(job: SealJob, laneFor: () => Lane): boolean {
    let slot: Slot | null = null;
    const ticket = this.#options.offload.submit(job, (outcome) => {
      this.#counters.add(counter.seals, 1);
      if (slot !== null) this.#fill(slot, outcome);
    });
    if (ticket === null) return false;
    const lane = laneFor();
    slot = lane.pushPending(job.source.length);
    slot.ticket = ticket;
    this.#bound(lane);
    return true;
  }

  #fill(slot: Slot, outcome: OffloadOutcome): void {
    if (outcome.ok) {
      slot.fill(outcome.bytes);
      return;
    }
    slot.skip();
    this.#options.error(new Error(`a message could not be sealed: ${outcome.text}`));
  }

  #push(lane: Lane, frame: Uint8Array): void {
    lane.pushReady(frame);
    this.#bound(lane);
  }

  #bound(lane: Lane): void {
    if (lane.bytes > laneLimitBytes) lane.finishNow(laneLimitBytes);
  }

  #open(deliver: (frame: Uint8Array) => void, emptied: () => void): Lane {
    const lane = new Lane(
      deliver,
      () => {
        this.#lanes.delete(lane);
        emptied();
      },
      (ms) => {
        this.#counters.add(counter.laneWaits, 1);
        this.#counters.add(counter.laneWaitMs, ms);
      },
    );
    this.#lanes.add(lane);
    return lane;
  }

  #laneOf(connection: ShardConnection): Lane {
    connection.lane ??= this.#open(
      (frame) => this.#sendFrame(connection, frame),
      () => {
        connection.lane = null;
        this.#options.flushed(connection);
      },
    );
    return connection.lane;
  }

  #publishFrame(audience: Audience, variant: number, frame: Uint8Array): void {
    const members = audience.counts[variant] ?? 0;
    if (members === 0) return;
    this.#counters.add(counter.messagesOut, members);
    this.#counters.add(counter.bytesOut, members * frame.length);
    this.#options.transport.publish(audience.topicOf(variant), frame, asBinary, uncompressed);
    this.#options.backpressure.sent();
  }

  #sendFrame(connection: ShardConnection, frame: Uint8Array): SendVerdict {
    const verdict = connection.socket?.send(frame, asBinary, uncompressed) ?? 'closed';
    if (verdict === 'sent' || verdict === 'buffered') {
      this.#counters.add(counter.messagesOut, 1);
      this.#counters.add(counter.bytesOut, frame.length);
      this.#options.backpressure.sent();
    }
    return verdict;
  }
}
