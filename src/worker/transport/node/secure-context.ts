import { createSecureContext, type SecureContext } from 'node:tls';
import type { TlsMaterial } from '../../../shared/config/tls.ts';
import { EngineError, errorText } from '../../../shared/errors/index.ts';
import { tls12Ciphers } from '../ciphers.ts';

/** Node's one list has the suites of TLS 1.3, too. */
const ciphers = `${tls12Ciphers}:TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256`;

/** What a transport makes its TLS connections with. Throws `ERR_TLS_INVALID`. */
export function secureContextOf({ cert, key, passphrase, ca, minVersion }: TlsMaterial): SecureContext {
  try {
    return createSecureContext({ cert, key, passphrase, ciphers, minVersion, ...(ca === null ? {} : { ca }) });
  } catch (error) {
    const text = `tls: a shard cannot use this certificate and key: ${errorText(error)}`;
    throw new EngineError('ERR_TLS_INVALID', text, { path: 'tls' });
  }
}
