import { checkPlaintext, checkSealed, copyOf } from './bytes.ts';
import { type ClientSessionConfig, ClientState, checkClientConfig } from './client-state.ts';
import { checkKeySet, type KeySet } from './keys.ts';
import { type DirectedWebBodies, directedWebBodies } from './web-derived.ts';

/**
 * A ClientSession with asynchronous functions. Calls of `seal` run one after the other, and so do those of `open`, so
 * results come in the order of the calls. Arguments may be reused at once. The number of waiting calls is not bounded:
 * await results if you call faster than the browser can seal.
 */
export interface WebClientSession {
  readonly connectionId: string | null;
  readonly missing: number;
  seal(plaintext: Uint8Array): Promise<Uint8Array>;
  open(frame: Uint8Array): Promise<Uint8Array | null>;
  /** Takes effect after the seals that were called before. */
  rotate(keys: KeySet): Promise<void>;
}

/**
 * A session with Web Crypto, in browsers and in Node. Rejects with EngineError ERR_KEY_INVALID or ERR_OPTION_INVALID,
 * and ERR_CRYPTO_UNAVAILABLE in a page without https.
 */
export async function createWebClientSession(config: ClientSessionConfig): Promise<WebClientSession> {
  const setup = checkClientConfig(config);
  const { signThenEncrypt, level, thresholdBytes, maxOpenBytes, subprotocol } = setup.config;
  const keyed = async (keys: KeySet): Promise<{ id: number; body: DirectedWebBodies }> => ({
    id: keys.id,
    body: await directedWebBodies(keys, signThenEncrypt, true, subprotocol, 'client'),
  });
  const previous = setup.previous === null ? null : await keyed(setup.previous);
  const state = new ClientState(setup, await keyed(setup.current), previous);
  const sealing = new SerialQueue();
  const opening = new SerialQueue();
  return Object.freeze({
    get connectionId(): string | null {
      return state.connectionId;
    },
    get missing(): number {
      return state.missing;
    },
    async seal(plaintext: Uint8Array): Promise<Uint8Array> {
      checkPlaintext(plaintext);
      const payload = copyOf(plaintext);
      return sealing.run(async () => {
        const { keys, prefix, aad } = state.next();
        return keys.outgoing.seal(payload, level > 0 && payload.length >= thresholdBytes, prefix, aad);
      });
    },
    async open(frame: Uint8Array): Promise<Uint8Array | null> {
      checkSealed(frame);
      const copy = copyOf(frame);
      return opening.run(async () => {
        const pending = state.read(copy);
        return state.accept(pending, await pending.keys.incoming.open(pending.body, maxOpenBytes, pending.aad));
      });
    },
    async rotate(keys: KeySet): Promise<void> {
      const checked = checkKeySet(keys, 'keys');
      return sealing.run(async () => {
        state.requireNewId(checked.id);
        state.rotate(await keyed(checked));
      });
    },
  });
}

/** Does one thing after the other. */
class SerialQueue {
  #last: Promise<unknown> = Promise.resolve();

  run<T>(task: () => Promise<T>): Promise<T> {
    // Also if the task before it failed.
    const result = this.#last.then(task, task);
    this.#last = result;
    return result;
  }
}
