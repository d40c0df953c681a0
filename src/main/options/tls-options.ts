import { z } from 'zod';
import type { TlsVersion } from '../../shared/config/tls.ts';
import { optionError } from './option-error.ts';
import type { Fields } from './option-fields.ts';

interface TlsSettings {
  /** Of an encrypted key. */
  readonly passphrase?: string;
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3';
}

/** A certificate in files, which `reloadTls` reads again. */
export interface TlsFileOptions extends TlsSettings {
  /** PEM: the server's certificate, then those between it and the root. */
  readonly certFile: string | URL;
  readonly keyFile: string | URL;
  /** PEM: only clients with a certificate of these authorities are served. */
  readonly caFile?: string | URL;
}

/** The same as PEM texts. */
export interface TlsPemOptions extends TlsSettings {
  readonly cert: string | Uint8Array;
  readonly key: string | Uint8Array;
  readonly ca?: string | Uint8Array;
}

export type TlsOptions = TlsFileOptions | TlsPemOptions;

export interface TlsOption {
  readonly tls?: TlsOptions;
}

/** Every option of either form. */
type AnyTlsOption = TlsFileOptions & TlsPemOptions;

const greatestPemBytes = 1_048_576;

const file = z
  .union([z.string().min(1), z.instanceof(URL)])
  .refine(
    (value) => (typeof value === 'string' ? !/-----|\0/.test(value) : value.protocol === 'file:'),
    'a path, or a file: URL',
  );

/** An error never repeats the text or the bytes of a key: see option-error.ts. */
const pem = z
  .union([z.string(), z.instanceof(Uint8Array)], 'a PEM text, as a string or bytes')
  .refine((value) => value.length > 0 && value.length <= greatestPemBytes, 'a PEM text of 1 byte to 1 MiB')
  .transform((value) => (typeof value === 'string' ? value : Buffer.from(value).toString('latin1')));

/** One of the PEM texts that TLS needs, or the file that has it. */
export type PemSource =
  | { readonly option: string; readonly file: string | URL }
  | { readonly option: string; readonly pem: string };

/** The `tls` option, checked, with its files not read yet. */
export interface TlsSource {
  readonly cert: PemSource;
  readonly key: PemSource;
  readonly ca: PemSource | null;
  readonly passphrase: string | null;
  readonly minVersion: TlsVersion;
}

const forms = 'certFile and keyFile, or cert and key; with caFile only beside the former, ca only beside the latter';

const eitherForm = {
  certFile: file.optional(),
  keyFile: file.optional(),
  caFile: file.optional(),
  cert: pem.optional(),
  key: pem.optional(),
  ca: pem.optional(),
  passphrase: z.string().max(1_024, 'at most 1024 characters').optional(),
  minVersion: z.enum(['TLSv1.2', 'TLSv1.3']).default('TLSv1.2'),
} satisfies Fields<AnyTlsOption, Readonly<Record<keyof AnyTlsOption, unknown>>>;

const tlsSchema: z.ZodType<TlsSource> = z.strictObject(eitherForm).transform((given, context): TlsSource => {
  const { certFile, keyFile, caFile, cert, key, ca, minVersion } = given;
  const passphrase = given.passphrase ?? null;
  const hasFiles = certFile !== undefined && keyFile !== undefined;
  const hasTexts = cert !== undefined && key !== undefined;
  if (hasFiles && cert === undefined && key === undefined && ca === undefined) {
    return {
      cert: { option: 'tls.certFile', file: certFile },
      key: { option: 'tls.keyFile', file: keyFile },
      ca: caFile === undefined ? null : { option: 'tls.caFile', file: caFile },
      passphrase,
      minVersion,
    };
  }
  if (hasTexts && certFile === undefined && keyFile === undefined && caFile === undefined) {
    return {
      cert: { option: 'tls.cert', pem: cert },
      key: { option: 'tls.key', pem: key },
      ca: ca === undefined ? null : { option: 'tls.ca', pem: ca },
      passphrase,
      minVersion,
    };
  }
  context.addIssue({ code: 'custom', message: forms });
  return z.NEVER;
});

/** zod knows no object with one of two sets of keys: the type of what may be written is `TlsOptions`, by hand. */
export const tlsFields: Readonly<Record<keyof TlsOption, z.ZodType<TlsSource | undefined>>> = {
  tls: tlsSchema.optional(),
};

/** Checks a `tls` option by itself, as `compileOptions` does. Throws `ERR_OPTION_INVALID`. */
export function compileTls(input: TlsOptions): TlsSource {
  const given = { tls: input };
  const parsed = z.strictObject({ tls: tlsSchema }).safeParse(given);
  if (parsed.success) return parsed.data.tls;
  throw optionError(given, parsed.error);
}
