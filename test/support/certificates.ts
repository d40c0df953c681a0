import { createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes, sign, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

/** DER: a tag, the length of the contents, the contents. */
function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const contents = Buffer.concat(parts);
  const { length } = contents;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from([tag, ...size]), contents]);
}

const sequence = (...parts: readonly Uint8Array[]): Buffer => der(0x30, ...parts);
const octets = (...parts: readonly Uint8Array[]): Buffer => der(0x04, ...parts);
const oid = (hex: string): Buffer => der(0x06, Buffer.from(hex, 'hex'));
const text = (value: string): Buffer => der(0x0c, Buffer.from(value));
const isTrue = der(0x01, Buffer.from([255]));

const commonName = oid('550403');
const ecdsaWithSha256 = sequence(oid('2a8648ce3d040302'));
const basicConstraints = oid('551d13');
const subjectAltName = oid('551d11');

const dayMs = 86_400_000;

function name(value: string): Buffer {
  return sequence(der(0x31, sequence(commonName, text(value))));
}

/** GeneralizedTime. */
function time(date: Date): Buffer {
  return der(0x18, Buffer.from(`${date.toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`));
}

export interface Certificate {
  readonly name: string;
  readonly cert: string;
  readonly key: string;
}

export interface CertificateOptions {
  /** Signs it; otherwise it signs itself. */
  readonly issuer?: Certificate;
  /** Days from now at which its validity begins and ends. */
  readonly days?: readonly [from: number, to: number];
  readonly isAuthority?: boolean;
  readonly curve?: string;
}

/** A new ECDSA certificate for localhost and 127.0.0.1, with `subject` as its common name. RFC 5280 section 4.1. */
export function createCertificate(subject: string, options: CertificateOptions = {}): Certificate {
  const { issuer, days = [-1, 365], isAuthority = false, curve = 'P-256' } = options;
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: curve });
  const now = Date.now();
  const names = sequence(der(0x82, Buffer.from('localhost')), der(0x87, Buffer.from([127, 0, 0, 1])));
  const extensions = [sequence(subjectAltName, octets(names))];
  if (isAuthority) extensions.push(sequence(basicConstraints, isTrue, octets(sequence(isTrue))));
  const toSign = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.from([1]), randomBytes(8)),
    ecdsaWithSha256,
    name(issuer?.name ?? subject),
    sequence(time(new Date(now + days[0] * dayMs)), time(new Date(now + days[1] * dayMs))),
    name(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...extensions)),
  );
  const signer: KeyObject = issuer === undefined ? privateKey : createPrivateKey(issuer.key);
  const signature = sign('sha256', toSign, signer);
  const bytes = sequence(toSign, ecdsaWithSha256, der(0x03, Buffer.from([0]), signature));
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' });
  return { name: subject, cert: new X509Certificate(bytes).toString(), key: String(key) };
}

/** The same key, encrypted. */
export function encryptedKey({ key }: Certificate, passphrase: string): string {
  const encrypted = createPrivateKey(key).export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase });
  return String(encrypted);
}

/** Files in a folder of their own, which goes with the test. */
export class PemFolder {
  readonly #path: string;

  constructor(t: TestContext) {
    this.#path = mkdtempSync(join(tmpdir(), 'shardwire-test-'));
    t.after(() => rmSync(this.#path, { recursive: true, force: true }));
  }

  path(file: string): string {
    return join(this.#path, file);
  }

  put(file: string, contents: string | Uint8Array): string {
    writeFileSync(this.path(file), contents);
    return this.path(file);
  }

  /** Writes, or overwrites, `cert.pem` and `key.pem`. */
  putCertificate({ cert, key }: Certificate): { readonly certFile: string; readonly keyFile: string } {
    return { certFile: this.put('cert.pem', cert), keyFile: this.put('key.pem', key) };
  }
}
