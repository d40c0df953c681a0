import { codecs } from '../../shared/codec/index.ts';
import { type Direction, derivedKey, type KeySet, type KeyUse } from '../../shared/security/index.ts';

type BoundSealForm = 'deflate2' | 'seal3';

/** Keys for one subprotocol and direction, derived once per key. They are cached by the key object. */
export class BoundKeys {
  readonly #ofKey = new WeakMap<Uint8Array, (Uint8Array | undefined)[]>();

  of({ id, aesKey, hmacKey }: KeySet, sealing: BoundSealForm, codecIndex: number, direction: Direction): KeySet {
    return {
      id,
      aesKey: aesKey === null ? null : this.#derived(aesKey, sealing, codecIndex, direction, 'aes-256-gcm'),
      hmacKey: hmacKey === null ? null : this.#derived(hmacKey, sealing, codecIndex, direction, 'hmac-sha256'),
    };
  }

  #derived(key: Uint8Array, sealing: BoundSealForm, codecIndex: number, direction: Direction, use: KeyUse): Uint8Array {
    let all = this.#ofKey.get(key);
    if (all === undefined) {
      all = [];
      this.#ofKey.set(key, all);
    }
    // The same bytes may serve as both keys.
    const use8 = use === 'aes-256-gcm' ? 8 : 0;
    const place = codecIndex * 16 + use8 + (sealing === 'seal3' ? 4 : 0) + (direction === 'from server' ? 1 : 0);
    let derived = all[place];
    if (derived === undefined) {
      derived = derivedKey(key, `${codecs[codecIndex]?.name}+${sealing}`, direction, use);
      all[place] = derived;
    }
    return derived;
  }
}
