import type { FromShard, LogFields, LogLevel, ShardJob } from '../../shared/bus/ipc.ts';
import type { EngineConfig } from '../../shared/config/config.ts';
import { type OffloadOutcome, type OffloadRequest, outcomeTransfer } from '../../shared/config/offload.ts';
import { errorText } from '../../shared/errors/index.ts';
import { shardOfConnection } from '../../shared/message/connection-id.ts';
import { NameRegister } from './name-register.ts';
import type { ShardThread } from './shard-thread.ts';

/** The requests of a running shard to main. */
export type ShardRequest = Extract<FromShard, { kind: 'log' | 'claim-name' | 'release-name' | 'offload' | 'metrics' }>;

/** The parts of main that serve the shards' requests. */
export interface RequestServices {
  /** Does a job in the pool. Never rejects; null: the shard must do it. */
  offload(job: ShardJob): Promise<OffloadOutcome | null>;
  log(level: LogLevel, fields: LogFields, text: string): void;
  /** The page for Prometheus. */
  metrics(): Promise<string>;
}

/** Answers the shards' requests. An answer to an ended thread does nothing. */
export class ShardRequests {
  readonly #threads: readonly ShardThread[];
  readonly #services: RequestServices;
  /** Null: names need not be unique. */
  readonly #names: NameRegister | null;

  constructor(
    threads: readonly ShardThread[],
    duplicateName: EngineConfig['duplicateName'],
    services: RequestServices,
  ) {
    this.#threads = threads;
    this.#services = services;
    this.#names = duplicateName === 'allow' ? null : new NameRegister(duplicateName);
  }

  handle(thread: ShardThread, request: ShardRequest): void {
    switch (request.kind) {
      case 'log':
        this.#services.log(request.level, request.fields, request.text);
        break;
      case 'claim-name':
        this.#claimName(thread, request.claim, request.name, request.connection);
        break;
      case 'release-name':
        this.#names?.release(request.name, request.connection);
        break;
      case 'offload':
        void this.#offload(thread, request.request);
        break;
      case 'metrics':
        void this.#metrics(thread, request.request);
        break;
    }
  }

  /** A shard's thread has ended, and with it its connections. */
  gone(shard: number): void {
    this.#names?.releaseAll((connection) => shardOfConnection(connection) === shard);
  }

  #claimName(thread: ShardThread, claim: number, name: string, connection: string): void {
    const verdict = this.#names?.claim(name, connection) ?? { granted: true, replaced: null };
    if (verdict.replaced !== null) {
      const holder = this.#threads[shardOfConnection(verdict.replaced)];
      if (holder?.isReady === true) holder.post({ kind: 'name-replaced', connection: verdict.replaced });
    }
    thread.post({ kind: 'name-answer', claim, granted: verdict.granted });
  }

  async #offload(thread: ShardThread, { id, job }: OffloadRequest<ShardJob>): Promise<void> {
    const outcome = await this.#services.offload(job);
    thread.post({ kind: 'offloaded', answer: { id, outcome } }, outcomeTransfer(outcome));
  }

  async #metrics(thread: ShardThread, request: number): Promise<void> {
    let text: string | null = null;
    try {
      text = await this.#services.metrics();
    } catch (error) {
      this.#services.log('error', { reason: errorText(error) }, 'the metrics could not be written');
    }
    thread.post({ kind: 'metrics', request, text });
  }
}
