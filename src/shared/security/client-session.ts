import { openBody, sealBody } from './body.ts';
import { checkPlaintext, checkSealed, unshared } from './bytes.ts';
import { type ClientSessionConfig, ClientState, checkClientConfig } from './client-state.ts';
import { type DirectedRules, directedRules } from './directed-rules.ts';
import { checkKeySet, type KeySet } from './keys.ts';
import { nodeCrypto, nodeZlib } from './node-modules.ts';

/** A client's side of one connection in version 2 or 3. */
export interface ClientSession {
  /** The server's name for the connection; null until the hello was opened. */
  readonly connectionId: string | null;
  /** How many frames the server counted that never came. */
  readonly missing: number;
  /**
   * The next frame. Frames must be sent in the order of these calls, and none before the hello was opened.
   * @throws EngineError ERR_MESSAGE_INVALID, ERR_SEAL_TOO_LARGE; ERR_SEAL_FORMAT before the hello
   */
  seal(plaintext: Uint8Array): Uint8Array;
  /**
   * The payload of a frame of the server, or null: it was the hello. A refused frame changes nothing. The payload may
   * be a view of the frame.
   * @throws EngineError ERR_SEAL_FORMAT, ERR_SEAL_REPLAYED, ERR_SEAL_KEY_UNKNOWN, ERR_SEAL_TOO_SHORT, ERR_SEAL_DECRYPT,
   * ERR_SEAL_SIGNATURE, ERR_SEAL_TOO_LARGE
   */
  open(frame: Uint8Array): Uint8Array | null;
  /**
   * Seals with these keys from now on. Those so far stay accepted; those before them do not.
   * @throws EngineError ERR_KEY_INVALID, also if the id is that of the keys so far
   */
  rotate(keys: KeySet): void;
}

/**
 * A session with Node's crypto.
 * @throws EngineError ERR_KEY_INVALID, ERR_OPTION_INVALID; ERR_CRYPTO_UNAVAILABLE outside Node
 */
export function createClientSession(config: ClientSessionConfig): ClientSession {
  const setup = checkClientConfig(config);
  nodeCrypto();
  nodeZlib();
  const { signThenEncrypt, level, thresholdBytes, maxOpenBytes, subprotocol } = setup.config;
  const keyed = (keys: KeySet): { id: number; body: DirectedRules } => ({
    id: keys.id,
    body: directedRules(keys, signThenEncrypt, true, subprotocol, 'client'),
  });
  const previous = setup.previous === null ? null : keyed(setup.previous);
  const state = new ClientState(setup, keyed(setup.current), previous);
  return Object.freeze({
    get connectionId(): string | null {
      return state.connectionId;
    },
    get missing(): number {
      return state.missing;
    },
    seal(plaintext: Uint8Array): Uint8Array {
      checkPlaintext(plaintext);
      const { keys, prefix, aad } = state.next();
      return sealBody(keys.outgoing, plaintext, plaintext.length < thresholdBytes ? 0 : level, prefix, aad);
    },
    open(frame: Uint8Array): Uint8Array | null {
      checkSealed(frame);
      const pending = state.read(unshared(frame));
      return state.accept(pending, openBody(pending.keys.incoming, pending.body, maxOpenBytes, pending.aad));
    },
    rotate(keys: KeySet): void {
      state.rotate(keyed(checkKeySet(keys, 'keys')));
    },
  });
}
