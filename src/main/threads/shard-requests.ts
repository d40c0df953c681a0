import type { Replies } from '../../shared/bus/ask-port.ts';
import type { LogFields, LogLevel, ShardJob, ShardNotice } from '../../shared/bus/ipc.ts';
import type { ShardQuestions } from '../../shared/bus/questions.ts';
import type { EngineConfig } from '../../shared/config/config.ts';
import { type OffloadOutcome, type OffloadRequest, outcomeTransfer } from '../../shared/config/offload.ts';
import { errorText } from '../../shared/errors/index.ts';
import { shardOfConnection } from '../../shared/message/connection-id.ts';
import { NameRegister } from './name-register.ts';
import type { ShardThread } from './shard-thread.ts';

/** Who does what shards ask for. */
export interface RequestServices {
  /** Does a job in the pool. Never rejects; null: the shard must do it. */
  offload(job: ShardJob): Promise<OffloadOutcome | null>;
  log(level: LogLevel, fields: LogFields, text: string): void;
  /** The page for Prometheus. */
  metrics(): Promise<string>;
}

/** What shards want of main while they run: it answers their questions and hears their notices. */
export class ShardRequests {
  /** The same for all shards: a question says which connection it is about. */
  readonly replies: Replies<ShardQuestions>;
  readonly #threads: readonly ShardThread[];
  readonly #services: RequestServices;
  /** Null: two connections may have the same name. */
  readonly #names: NameRegister | null;

  constructor(
    threads: readonly ShardThread[],
    duplicateName: EngineConfig['duplicateName'],
    services: RequestServices,
  ) {
    this.#threads = threads;
    this.#services = services;
    this.#names = duplicateName === 'allow' ? null : new NameRegister(duplicateName);
    this.replies = {
      // Without a promise, so that it is answered before the next question is looked at: see `name-replaced`.
      'claim-name': ({ name, connection }) => this.#claimName(name, connection),
      metrics: () => this.#writeMetrics(),
    };
  }

  notice(thread: ShardThread, notice: ShardNotice): void {
    switch (notice.kind) {
      case 'log':
        this.#services.log(notice.level, notice.fields, notice.text);
        break;
      case 'release-name':
        this.#names?.release(notice.name, notice.connection);
        break;
      case 'offload':
        void this.#offload(thread, notice.request);
        break;
    }
  }

  /** A shard's thread has ended, and with it its connections. */
  gone(shard: number): void {
    this.#names?.releaseAll((connection) => shardOfConnection(connection) === shard);
  }

  /** True: the name is this connection's now. */
  #claimName(name: string, connection: string): boolean {
    if (this.#names === null) return true;
    const { granted, replaced } = this.#names.claim(name, connection);
    if (replaced !== null) {
      const holder = this.#threads[shardOfConnection(replaced)];
      if (holder?.isReady === true) holder.post({ kind: 'name-replaced', connection: replaced });
    }
    return granted;
  }

  /** To a thread that is gone an answer does nothing. */
  async #offload(thread: ShardThread, { id, job }: OffloadRequest<ShardJob>): Promise<void> {
    const outcome = await this.#services.offload(job);
    thread.post({ kind: 'offloaded', answer: { id, outcome } }, outcomeTransfer(outcome));
  }

  async #writeMetrics(): Promise<string> {
    try {
      return await this.#services.metrics();
    } catch (error) {
      this.#services.log('error', { reason: errorText(error) }, 'the metrics could not be written');
      throw error;
    }
  }
}
