import { readFileSync } from 'node:fs';
import type { Engine, EngineLogger, TlsFileOptions } from '../main/index.ts';
import { failureText, UsageError } from './failure.ts';

export const tlsHelp = `      --tls-cert <file>  certificate in PEM form: serve TLS; with --tls-key. SIGHUP reads all of them again
      --tls-key <file>   its private key in PEM form
      --tls-passphrase-file <file>  what an encrypted key is decrypted with; a line break at its end does not count
      --tls-ca <file>    serve only clients with a certificate of these authorities
`;

export const tlsFlags = {
  'tls-cert': { type: 'string' },
  'tls-key': { type: 'string' },
  'tls-passphrase-file': { type: 'string' },
  'tls-ca': { type: 'string' },
} as const;

type TlsValues = { readonly [F in keyof typeof tlsFlags]?: string | undefined };

/** Whether the flags request TLS. Throws if some of the needed flags are missing. */
export function isTls(values: TlsValues): boolean {
  const has = (flag: keyof typeof tlsFlags): boolean => values[flag] !== undefined;
  if (has('tls-cert') !== has('tls-key')) throw new UsageError('"--tls-cert" and "--tls-key" go together');
  if (!has('tls-cert') && (has('tls-ca') || has('tls-passphrase-file'))) {
    throw new UsageError('"--tls-ca" and "--tls-passphrase-file" need "--tls-cert" and "--tls-key"');
  }
  return has('tls-cert');
}

/** Read from a file, because every user of the machine can see the command line. */
function passphraseIn(file: string): string {
  try {
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    throw new Error(`the passphrase file cannot be read: ${failureText(error)}`);
  }
}

export function tlsOptions(values: TlsValues): TlsFileOptions {
  const passphraseFile = values['tls-passphrase-file'];
  const caFile = values['tls-ca'];
  return {
    certFile: values['tls-cert'] ?? '',
    keyFile: values['tls-key'] ?? '',
    ...(caFile === undefined ? {} : { caFile }),
    ...(passphraseFile === undefined ? {} : { passphrase: passphraseIn(passphraseFile) }),
  };
}

/** On SIGHUP: reads the files again and logs the result. */
export function reloadOnHangUp(engine: Engine, values: TlsValues, logger: EngineLogger): void {
  const reload = async (): Promise<void> => {
    try {
      const verdict = await engine.reloadTls(tlsOptions(values));
      if (verdict === 'unchanged') logger.info('SIGHUP: the certificate is the one in use');
    } catch (error) {
      logger.error(`SIGHUP: the certificate in use stays: ${failureText(error)}`);
    }
  };
  process.on('SIGHUP', () => void reload());
}
