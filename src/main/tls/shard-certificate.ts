import type { TlsMaterial } from '../../shared/config/tls.ts';
import { EngineError, errorCode, errorText } from '../../shared/errors/index.ts';
import type { ShardThread } from '../threads/shard-thread.ts';

/** What one shard made of a certificate. */
type Verdict = { readonly is: 'taken' | 'late' } | { readonly is: 'refused'; readonly text: string };

/** The certificate of all shards of an engine. A shard that is blocked takes it once its loop turns again. */
export class ShardCertificate {
  readonly #threads: readonly ShardThread[];
  #material: TlsMaterial | null;

  /** Null: plain TCP. */
  constructor(threads: readonly ShardThread[], material: TlsMaterial | null) {
    this.#threads = threads;
    this.#material = material;
  }

  /** The certificate that a new thread starts with. */
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
    const verdicts = new Map<ShardThread, Verdict>();
    await Promise.all(
      this.#threads.map(async (thread) => verdicts.set(thread, await this.#give(thread, material, timeoutMs))),
    );
    const problem = [...verdicts.values()].find((verdict) => verdict.is === 'refused')?.text;
    if (problem !== undefined) {
      this.#material = former;
      for (const thread of this.#threads) {
        // Shards that have not answered get it too: the last certificate that they are given counts.
        if (former !== null && verdicts.get(thread)?.is !== 'refused') void this.#give(thread, former, timeoutMs);
      }
      throw new EngineError('ERR_TLS_INVALID', problem, { path: 'tls' });
    }
    if ([...verdicts.values()].some((verdict) => verdict.is === 'late')) {
      throw new EngineError('ERR_SHARD_STALLED', `a shard did not take the certificate within ${timeoutMs} ms`);
    }
  }

  async #give(thread: ShardThread, material: TlsMaterial, timeoutMs: number): Promise<Verdict> {
    try {
      await thread.reloadTls(material, timeoutMs);
      return { is: 'taken' };
    } catch (error) {
      const isLate = errorCode(error) === 'ERR_SHARD_STALLED';
      return isLate ? { is: 'late' } : { is: 'refused', text: errorText(error) };
    }
  }
}
