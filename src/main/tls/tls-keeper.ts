import type { TlsMaterial } from '../../shared/config/tls.ts';
import { EngineError, errorCode } from '../../shared/errors/index.ts';
import type { EngineLogger, TlsOptions } from '../options/engine-options.ts';
import { compileTls, type TlsSource } from '../options/tls-options.ts';
import { type LoadedTls, loadTls } from './tls-material.ts';

/** 'unchanged': certificate, key and settings are the ones in use. */
export type TlsReloadVerdict = 'reloaded' | 'unchanged';

/** Holds the certificate of an engine and the source of the next one. */
export class TlsKeeper {
  readonly #logger: EngineLogger;
  #source: TlsSource;
  #loaded: LoadedTls;
  /** Reloads run one after the other: the last one requested stays in force. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(source: TlsSource, loaded: LoadedTls, logger: EngineLogger) {
    this.#source = source;
    this.#loaded = loaded;
    this.#logger = logger;
  }

  /** Reads and checks. Rejects with `ERR_TLS_INVALID`. */
  static async open(source: TlsSource, logger: EngineLogger): Promise<TlsKeeper> {
    return new TlsKeeper(source, await loadTls(source), logger);
  }

  get material(): TlsMaterial {
    return this.#loaded.material;
  }

  /** `apply` gives the material to the shards. If it rejects, nothing has changed. */
  reload(options: TlsOptions | undefined, apply: (material: TlsMaterial) => Promise<void>): Promise<TlsReloadVerdict> {
    const done = this.#last.then(() => this.#reload(options, apply));
    this.#last = done.catch(() => undefined);
    return done;
  }

  async #reload(
    options: TlsOptions | undefined,
    apply: (material: TlsMaterial) => Promise<void>,
  ): Promise<TlsReloadVerdict> {
    const source = options === undefined ? this.#source : compileTls(options);
    if (options === undefined && 'pem' in source.cert) {
      const text = 'tls: the certificate was not given as files: reloadTls needs the new certificate and key';
      throw new EngineError('ERR_TLS_INVALID', text, { path: 'tls' });
    }
    const loaded = await loadTls(source);
    const isSame = loaded.material.fingerprint === this.material.fingerprint;
    if (isSame) {
      this.#source = source;
      return 'unchanged';
    }
    try {
      await apply(loaded.material);
    } catch (error) {
      // The shard takes it once its loop turns.
      if (errorCode(error) === 'ERR_SHARD_STALLED') this.#take(source, loaded);
      throw error;
    }
    this.#take(source, loaded);
    return 'reloaded';
  }

  #take(source: TlsSource, loaded: LoadedTls): void {
    this.#source = source;
    this.#loaded = loaded;
    this.#logger.info({ validTo: loaded.validTo }, 'new connections get a new certificate');
  }
}
