export type TlsVersion = 'TLSv1.2' | 'TLSv1.3';

/**
 * What a shard creates its TLS context from. Main has read and checked it. Structured-cloneable; nothing here may be
 * logged.
 */
export interface TlsMaterial {
  /** PEM: the server's own certificate, then those of the authorities between it and the root. */
  readonly cert: string;
  /** PEM, encrypted with `passphrase`, which main generated: the socket library reads keys from files only. */
  readonly key: string;
  readonly passphrase: string;
  /** PEM: the authorities whose client certificates are accepted. Null: clients are not asked for certificates. */
  readonly ca: string | null;
  readonly minVersion: TlsVersion;
  /** Equal for equal certificates, keys and settings. */
  readonly fingerprint: string;
}
