import { setTimeout as sleep } from 'node:timers/promises';
import type { TlsMaterial } from '../../shared/config/tls.ts';
import { EngineError } from '../../shared/errors/index.ts';
import type { ShardThread } from '../threads/shard-thread.ts';

/** The certificate of all shards of an engine. A blocked shard takes a new one once its loop turns. */
export class ShardCertificate {
  readonly #threads: readonly ShardThread[];
  #material: TlsMaterial | null;

  /** Null: plain TCP. */
  constructor(threads: readonly ShardThread[], material: TlsMaterial | null) {
    this.#threads = threads;
    this.#material = material;
  }

  /** The certificate for a thread that starts now. */
  get material(): TlsMaterial | null {
    return this.#material;
  }

  /**
   * Gives every shard another certificate, or leaves all shards with the present one. Rejects with `ERR_TLS_INVALID`,
   * or with `ERR_SHARD_STALLED` if a shard has not answered within `timeoutMs`; that shard takes the certificate once
   * its loop turns.
   */
  async reload(material: TlsMaterial, timeoutMs: number): Promise<void> {
    const former = this.#material;
    this.#material = material;
    const problems = new Map<ShardThread, string | null>();
    const answers = this.#threads.map(async (thread) => problems.set(thread, await thread.reloadTls(material)));
    const timer = new AbortController();
    const late = sleep(timeoutMs, null, { signal: timer.signal }).catch(() => null);
    await Promise.race([Promise.all(answers), late]);
    timer.abort();
    const problem = [...problems.values()].find((one) => one !== null);
    if (problem !== undefined) {
      this.#material = former;
      // Also to shards without an answer: the last certificate sent is the one that counts.
      for (const thread of this.#threads) {
        if (former !== null && (problems.get(thread) ?? null) === null) void thread.reloadTls(former);
      }
      throw new EngineError('ERR_TLS_INVALID', problem, { path: 'tls' });
    }
    if (problems.size < this.#threads.length) {
      throw new EngineError('ERR_SHARD_STALLED', `a shard did not take the certificate within ${timeoutMs} ms`);
    }
  }
}
