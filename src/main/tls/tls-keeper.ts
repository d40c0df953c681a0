import type { TlsMaterial } from '../../shared/config/tls.ts';
import { EngineError, errorCode } from '../../shared/errors/index.ts';
import type { EngineLogger, TlsOptions } from '../options/engine-options.ts';
import { compileTls, type TlsSource } from '../options/tls-options.ts';
import { type LoadedTls, loadTls } from './tls-material.ts';

/** 'unchanged': the certificate, the key and the settings are those in use already. */
export type TlsReloadVerdict = 'reloaded' | 'unchanged';

/** Keeps the certificate of an engine, and how to come by the next one. */
export class TlsKeeper {
  readonly #logger: EngineLogger;
  #source: TlsSource;
  #loaded: LoadedTls;
  /** One reload after the other: the last one asked for is the one that stays. */
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

  /** `apply` hands the material to whoever shows it; what it rejects with leaves all as it was. */
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
      const text = 'tls: there are no files to read again: reloadTls needs the new certificate and key';
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
      // The shard takes it once it goes on.
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
