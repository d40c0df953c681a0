import type { ShardJob } from '../../shared/bus/ipc.ts';
import type { EngineConfig } from '../../shared/config/config.ts';
import type { OffloadOutcome } from '../../shared/config/offload.ts';
import { closeCode, errorCode } from '../../shared/errors/index.ts';
import { type Counters, counter } from '../../shared/memory/counters.ts';
import { type OpenJob, runJob } from '../../shared/security/index.ts';
import type { ShardConnection } from '../connection/shard-connection.ts';
import type { ShardLog } from '../handlers/shard-log.ts';
import type { OffloadPort } from '../offload/offload-port.ts';
import type { OpenPlan, Sealer } from '../sealing/sealer.ts';
import { sharedCopy } from '../sealing/shared-copy.ts';
import type { Inbox } from './inbox.ts';

export interface OpenedFrameHandler {
  /** A frame was good, or needed no opening. `bytes` are the message's, `frameBytes` how many came. */
  handleOpened(connection: ShardConnection, bytes: Uint8Array, frameBytes: number): void;
}

export interface SealedInOptions {
  readonly config: EngineConfig;
  readonly counters: Counters;
  readonly sealer: Sealer;
  readonly offload: OffloadPort<ShardJob>;
  readonly inbox: Inbox;
  readonly log: ShardLog;
  readonly handler: OpenedFrameHandler;
}

/** Counter of each way in which a frame can be bad. What has no entry here counts as malformed. */
const failureCounters: ReadonlyMap<string, number> = new Map([
  ['ERR_SEAL_DECRYPT', counter.openFailedDecrypt],
  ['ERR_SEAL_KEY_UNKNOWN', counter.openFailedDecrypt],
  ['ERR_SEAL_SIGNATURE', counter.openFailedSignature],
  ['ERR_SEAL_REPLAYED', counter.openFailedReplay],
]);

/**
 * Opens what clients sent, in order per connection: small frames here, large ones in the pool. A peer without the key can
 * have each of its frames tried once; after `maxFailures` bad ones it is closed.
 */
export class SealedIn {
  readonly #options: SealedInOptions;
  readonly #counters: Counters;

  constructor(options: SealedInOptions) {
    this.#options = options;
    this.#counters = options.counters;
  }

  /** `frame` is valid only during the call. */
  openSealed(connection: ShardConnection, frame: Uint8Array): void {
    if (!this.#options.sealer.isPiped(connection)) {
      this.#options.handler.handleOpened(connection, frame, frame.length);
      return;
    }
    if (connection.session !== null && !this.#options.sealer.hasKeyFor(connection)) {
      connection.close(closeCode.internalError, 'no key');
      return;
    }
    let plan: OpenPlan;
    try {
      plan = this.#options.sealer.openFrom(connection, frame);
    } catch (error) {
      this.#countFailure(connection, errorCode(error) ?? '');
      return;
    }
    if (this.#isLarge(plan.job) && this.#openInPool(connection, plan, frame.length)) return;
    let bytes: Uint8Array;
    try {
      bytes = runJob(plan.job);
    } catch (error) {
      this.#openWithFormerKey(connection, plan, errorCode(error) ?? '', frame.length);
      return;
    }
    this.#passOpened(connection, plan, bytes, frame.length);
  }

  #isLarge(job: OpenJob): boolean {
    const { threads, thresholdBytes } = this.#options.config.offload;
    const bytes = job.source.length;
    return threads > 0 && (bytes >= thresholdBytes.open || (job.flagged && bytes >= thresholdBytes.inflate));
  }

  /** False: the pool does not take it. What the connection sends meanwhile waits. */
  #openInPool(connection: ShardConnection, plan: OpenPlan, frameBytes: number): boolean {
    const kept: OpenPlan = { ...plan, job: { ...plan.job, source: sharedCopy(plan.job.source) } };
    let release: (() => void) | null = null;
    const ticket = this.#options.offload.submit(kept.job, (outcome) => {
      connection.opening = null;
      if (connection.isOpen) this.#handleOutcome(connection, kept, outcome, frameBytes);
      else this.#counters.add(counter.messagesAbandoned, 1);
      release?.();
    });
    if (ticket === null) return false;
    release = this.#options.inbox.holdFrames(connection);
    connection.opening = ticket;
    return true;
  }

  #handleOutcome(connection: ShardConnection, plan: OpenPlan, outcome: OffloadOutcome, frameBytes: number): void {
    if (outcome.ok) this.#passOpened(connection, plan, outcome.bytes, frameBytes);
    else this.#openWithFormerKey(connection, plan, outcome.code, frameBytes);
  }

  #passOpened(connection: ShardConnection, plan: OpenPlan, bytes: Uint8Array, frameBytes: number): void {
    connection.session?.accept(plan.counter);
    this.#counters.add(counter.opens, 1);
    this.#options.handler.handleOpened(connection, bytes, frameBytes);
  }

  /** During a rotation, a frame that does not name its key may be sealed with the former key. */
  #openWithFormerKey(connection: ShardConnection, plan: OpenPlan, code: string, frameBytes: number): void {
    const { retry } = plan;
    if (retry === null || !failureCounters.has(code)) {
      this.#countFailure(connection, code);
      return;
    }
    let bytes: Uint8Array;
    try {
      bytes = runJob({ ...plan.job, keys: retry });
    } catch (error) {
      this.#countFailure(connection, errorCode(error) ?? '');
      return;
    }
    this.#passOpened(connection, plan, bytes, frameBytes);
  }

  /** Nothing is answered: a peer without the key learns nothing, not even what was wrong. */
  #countFailure(connection: ShardConnection, code: string): void {
    if (code === 'ERR_SEAL_TOO_LARGE') {
      this.#counters.add(counter.messagesTooLarge, 1);
      connection.close(closeCode.messageTooBig, '');
      return;
    }
    this.#counters.add(failureCounters.get(code) ?? counter.openFailedFormat, 1);
    connection.sealFailures += 1;
    if (connection.sealFailures === 1) {
      this.#options.log.write('warn', 'a frame could not be opened', { connection: connection.id, code });
    }
    if (connection.sealFailures < (this.#options.config.security?.maxFailures ?? 1)) return;
    this.#counters.add(counter.openFailuresClosed, 1);
    connection.close(closeCode.sealFailed, 'too many frames that could not be opened');
  }
}
