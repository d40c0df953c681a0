import { createHash } from 'node:crypto';
import type { Keys } from '../support/sealed-client.ts';

function digest(text: string): Uint8Array {
  return new Uint8Array(createHash('sha256').update(text).digest());
}

/** The keys that fixtures/own-keys.handlers.ts gives a connection of that name. */
export function keysOf(name: string): Required<Omit<Keys, 'signThenEncrypt'>> {
  return { aesKey: digest(`aes ${name}`), hmacKey: digest(`hmac ${name}`) };
}

export const engineKeys: Required<Omit<Keys, 'signThenEncrypt'>> = {
  aesKey: digest('the engine’s aes'),
  hmacKey: digest('the engine’s hmac'),
};
