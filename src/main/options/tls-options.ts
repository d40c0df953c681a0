import { z } from 'zod';
import type { TlsVersion } from '../../shared/config/tls.ts';

const greatestPemBytes = 1_048_576;

const file = z
  .union([z.string().min(1), z.instanceof(URL)])
  .refine(
    (value) => (typeof value === 'string' ? !/-----|\0/.test(value) : value.protocol === 'file:'),
    'a path, or a file: URL',
  );

/** Neither text nor bytes of a key are ever repeated: see option-error.ts. */
const pem = z
  .union([z.string(), z.instanceof(Uint8Array)], 'a PEM text, as a string or bytes')
  .refine((value) => value.length > 0 && value.length <= greatestPemBytes, 'a PEM text of 1 byte to 1 MiB')
  .transform((value) => (typeof value === 'string' ? value : Buffer.from(value).toString('latin1')));

/** One of the texts that TLS needs, or where it is. */
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

export const tlsSchema: z.ZodType<TlsSource> = z
  .strictObject({
    certFile: file.optional(),
    keyFile: file.optional(),
    caFile: file.optional(),
    cert: pem.optional(),
    key: pem.optional(),
    ca: pem.optional(),
    passphrase: z.string().max(1_024, 'at most 1024 characters').optional(),
    minVersion: z.enum(['TLSv1.2', 'TLSv1.3']).default('TLSv1.2'),
  })
  .transform((given, context): TlsSource => {
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
