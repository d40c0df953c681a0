import { createHash, createPrivateKey, type KeyObject, randomBytes, X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import type { TlsMaterial } from '../../shared/config/tls.ts';
import { EngineError, errorCode, errorText } from '../../shared/errors/index.ts';
import type { PemSource, TlsSource } from '../options/tls-options.ts';

const greatestFileBytes = 1_048_576;
const certificateForm = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

export interface LoadedTls {
  readonly material: TlsMaterial;
  readonly validTo: string;
}

/** An error without a cause: the text of the crypto library names neither key nor passphrase. */
function invalid(path: string, reason: string, given?: string | URL): EngineError {
  const where = given === undefined ? '' : ` (${given})`;
  const detail = given === undefined ? { path } : { path, given: String(given) };
  return new EngineError('ERR_TLS_INVALID', `${path}${where}: ${reason}`, detail);
}

function complaint(source: PemSource, reason: string): EngineError {
  return invalid(source.option, reason, 'file' in source ? source.file : undefined);
}

async function textOf(source: PemSource): Promise<string> {
  if ('pem' in source) return source.pem;
  try {
    const facts = await stat(source.file);
    // Reading a pipe or a device might never end.
    if (!facts.isFile()) throw new Error('it is no file');
    if (facts.size > greatestFileBytes) throw new Error('it has more than 1 MiB');
    return await readFile(source.file, 'latin1');
  } catch (error) {
    throw complaint(source, `cannot be read: ${errorCode(error) ?? errorText(error)}`);
  }
}

/** Every certificate of a PEM text, with any text between them. */
function certificatesOf(source: PemSource, text: string): readonly X509Certificate[] {
  const blocks = text.match(certificateForm) ?? [];
  if (blocks.length === 0) throw complaint(source, 'there is no certificate in PEM form');
  return blocks.map((block, place) => {
    try {
      return new X509Certificate(block);
    } catch {
      throw complaint(source, `certificate ${place + 1} cannot be read`);
    }
  });
}

function privateKeyOf(source: PemSource, text: string, passphrase: string | null): KeyObject {
  try {
    return createPrivateKey(passphrase === null ? text : { key: text, passphrase });
  } catch (error) {
    const code = errorCode(error) ?? '';
    if (code === 'ERR_MISSING_PASSPHRASE' || (passphrase === null && text.includes('ENCRYPTED'))) {
      throw invalid('tls.passphrase', `the key of ${source.option} is encrypted and there is no passphrase`);
    }
    if (text.includes('ENCRYPTED') && text.includes('PRIVATE KEY-----')) {
      throw invalid('tls.passphrase', `the key of ${source.option} cannot be decrypted with this passphrase`);
    }
    throw complaint(source, 'there is no private key in PEM form that can be read');
  }
}

/** NIST SP 800-131A has disallowed shorter RSA keys since 2014. Node and browsers refuse them too. */
const leastRsaBits = 2_048;

/** The library accepts the classic curves and Ed25519. Checking it here lets the error name the option. */
function checkKeyType(source: PemSource, key: KeyObject): void {
  const type = key.asymmetricKeyType;
  const curve = key.asymmetricKeyDetails?.namedCurve ?? '';
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  if (type === 'rsa' && bits < leastRsaBits) {
    throw complaint(source, `an RSA key of ${bits} bits; allowed: at least ${leastRsaBits}`);
  }
  if (type === 'rsa' || type === 'ed25519') return;
  if (type === 'ec' && ['prime256v1', 'secp384r1', 'secp521r1'].includes(curve)) return;
  const kind = type === 'ec' ? `ec with the curve ${curve}` : type;
  throw complaint(source, `a key of type ${kind}; allowed: rsa, ec with P-256, P-384 or P-521, ed25519`);
}

/** Compares with the wall clock, as clients do: a certificate that every client refuses is better refused here. */
function checkValidity(source: PemSource, { validFrom, validTo }: X509Certificate): void {
  const now = Date.now();
  if (Date.parse(validTo) < now) throw complaint(source, `the certificate expired on ${validTo}`);
  if (Date.parse(validFrom) > now) throw complaint(source, `the certificate is not valid before ${validFrom}`);
}

/**
 * Reads the files of the `tls` option and checks that they work together. Throws `ERR_TLS_INVALID` with the option's
 * path.
 */
export async function loadTls(source: TlsSource): Promise<LoadedTls> {
  const [certText, keyText] = await Promise.all([textOf(source.cert), textOf(source.key)]);
  const caText = source.ca === null ? null : await textOf(source.ca);
  const certificates = certificatesOf(source.cert, certText);
  const [own] = certificates;
  if (own === undefined) throw complaint(source.cert, 'there is no certificate in PEM form');
  const privateKey = privateKeyOf(source.key, keyText, source.passphrase);
  checkKeyType(source.key, privateKey);
  if (!own.checkPrivateKey(privateKey)) {
    throw complaint(source.key, `the key does not fit the first certificate of ${source.cert.option}`);
  }
  checkValidity(source.cert, own);
  const authorities = source.ca === null || caText === null ? null : certificatesOf(source.ca, caText);
  const cert = certificates.map(String).join('');
  const ca = authorities === null ? null : authorities.map(String).join('');
  const plainKey = privateKey.export({ type: 'pkcs8', format: 'pem' });
  try {
    createSecureContext({ cert, key: plainKey, ...(ca === null ? {} : { ca }) });
  } catch (error) {
    throw complaint(source.cert, `no TLS can be done with it: ${errorText(error)}`);
  }
  const { minVersion } = source;
  const passphrase = randomBytes(24).toString('base64url');
  const key = privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase });
  const fingerprint = createHash('sha256')
    .update(JSON.stringify([cert, plainKey, ca, minVersion]))
    .digest('base64url');
  return {
    material: { cert, key: String(key), passphrase, ca, minVersion, fingerprint },
    validTo: own.validTo,
  };
}
