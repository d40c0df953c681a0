import type { BodyKeys } from './body.ts';
import { derivedKeyBytes, type KeyUse, purposeOf } from './derived-keys.ts';
import type { Direction } from './frame.ts';
import { compileWebBody, subtle, type WebBody } from './web-body.ts';

/** How one end seals and opens with Web Crypto: as directed-rules.ts says. */
export interface DirectedWebBodies {
  readonly outgoing: WebBody;
  readonly incoming: WebBody;
}

export async function directedWebBodies(
  keys: BodyKeys,
  signThenEncrypt: boolean,
  flagged: boolean,
  subprotocol: string | null,
  side: 'client' | 'server',
): Promise<DirectedWebBodies> {
  if (subprotocol === null) {
    const body = await compileWebBody(keys, signThenEncrypt, flagged);
    return { outgoing: body, incoming: body };
  }
  const bodyOf = async (direction: Direction): Promise<WebBody> =>
    compileWebBody(await webDerivedKeys(keys, subprotocol, direction), signThenEncrypt, flagged);
  const [fromClient, fromServer] = await Promise.all([bodyOf('from client'), bodyOf('from server')]);
  return side === 'client'
    ? { outgoing: fromClient, incoming: fromServer }
    : { outgoing: fromServer, incoming: fromClient };
}

async function webDerivedKeys(keys: BodyKeys, subprotocol: string, direction: Direction): Promise<BodyKeys> {
  const derive = async (key: Uint8Array | null, use: KeyUse): Promise<Uint8Array | null> =>
    key === null ? null : webDerivedKey(key, purposeOf(subprotocol, direction, use));
  return { aesKey: await derive(keys.aesKey, 'aes-256-gcm'), hmacKey: await derive(keys.hmacKey, 'hmac-sha256') };
}

async function webDerivedKey(key: Uint8Array, info: Uint8Array): Promise<Uint8Array> {
  const secret = await subtle().importKey('raw', key as Uint8Array<ArrayBuffer>, 'HKDF', false, ['deriveBits']);
  const parameters = {
    name: 'HKDF',
    hash: 'SHA-256',
    salt: new Uint8Array(0),
    info: info as Uint8Array<ArrayBuffer>,
  };
  return new Uint8Array(await subtle().deriveBits(parameters, secret, derivedKeyBytes * 8));
}
