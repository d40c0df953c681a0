import { monotonicMs } from '../../shared/base/monotonic.ts';
import type { SecurityPolicy } from '../../shared/config/config.ts';
import { refusalOf } from '../../shared/errors/index.ts';
import type { Direction, KeySet, OpenJob, SealJob } from '../../shared/security/index.ts';
import type { ShardConnection } from '../connection/shard-connection.ts';
import type { SealForm, SharedSealForm } from '../connection/variants.ts';
import { BoundKeys } from './bound-keys.ts';
import type { LiveKeys } from './live-keys.ts';

const nothing = new Uint8Array(0);

function hasKey(keys: KeySet): boolean {
  return keys.aesKey !== null || keys.hmacKey !== null;
}

/** What is needed to open a frame. */
export interface OpenPlan {
  readonly job: OpenJob;
  /** To be remembered by the session once the frame turned out to be good. */
  readonly counter: number;
  /** Keys to try next if these fail: after a rotation, for frames that do not name their key. */
  readonly retry: KeySet | null;
}

/** Decides with which keys and in which form frames are sealed and opened. Its callers run the jobs. */
export class Sealer {
  readonly #policy: SecurityPolicy;
  readonly #maxMessageBytes: number;
  /** The key id at the engine's start. Keys that no rotation changes use it. */
  readonly #firstId: number;
  readonly #keys: LiveKeys;
  readonly #bound = new BoundKeys();

  constructor(policy: SecurityPolicy, keys: LiveKeys, maxMessageBytes: number) {
    this.#policy = policy;
    this.#keys = keys;
    this.#firstId = keys.ring.current.id;
    this.#maxMessageBytes = maxMessageBytes;
  }

  /** Whether the engine has keys. Without them only connections with keys of their own have sealed messages. */
  get hasKeys(): boolean {
    return hasKey(this.#keys.ring.current);
  }

  /** Whether this connection's messages are sealed or flagged, and so go out in binary frames. */
  isPiped(connection: ShardConnection): boolean {
    return connection.sealing !== 'classic' || connection.hasOwnKeys || this.hasKeys;
  }

  /** Whether there is a key to seal and open this connection's frames with. */
  hasKeyFor(connection: ShardConnection): boolean {
    return connection.hasOwnKeys || this.hasKeys;
  }

  /** Level at which a payload is deflated before it is sealed; 0: it is not. */
  deflateLevel(sealing: SealForm, payloadBytes: number): number {
    const { compress } = this.#policy;
    return sealing === 'classic' || compress === null || payloadBytes < compress.thresholdBytes ? 0 : compress.level;
  }

  /** Seals for all connections without keys or a session of their own. */
  sealForAll(source: Uint8Array, sealing: SharedSealForm, codecIndex: number): SealJob {
    const keys = this.#boundTo(this.#keys.ring.current, sealing, codecIndex, 'from server');
    return this.#seal(source, sealing, keys, null, null);
  }

  /**
   * Seals for one connection with keys or a session of its own. It takes the next counter, so frames must be sent in
   * the order of these calls.
   */
  sealFor(connection: ShardConnection, source: Uint8Array): SealJob {
    const keys = this.#keysOf(connection, this.#keys.ring.current);
    const { prefix, aad } = connection.session?.next(keys.id) ?? { prefix: null, aad: null };
    return this.#seal(source, connection.sealing, this.#outgoing(connection, keys), prefix, aad);
  }

  /** The first frame of a session; null: it has none. */
  hello(connection: ShardConnection): SealJob | null {
    if (connection.session === null) return null;
    const keys = this.#keysOf(connection, this.#keys.ring.current);
    const { prefix, aad } = connection.session.hello(keys.id);
    return this.#seal(nothing, connection.sealing, this.#outgoing(connection, keys), prefix, aad);
  }

  /**
   * How to open a connection's frame. Throws `ERR_SEAL_FORMAT`, `ERR_SEAL_REPLAYED` or `ERR_SEAL_KEY_UNKNOWN`, which
   * need no key.
   */
  openFrom(connection: ShardConnection, frame: Uint8Array): OpenPlan {
    if (connection.session === null) {
      const retry = this.#previous === null ? null : this.#incoming(connection, this.#previous);
      return { job: this.#open(connection, frame, this.#keys.ring.current, null), counter: 0, retry };
    }
    const { keyId, counter, body, aad } = connection.session.read(frame);
    const { current } = this.#keys.ring;
    const keys = keyId === this.#keysOf(connection, current).id ? current : this.#previous;
    if (keys === null || this.#keysOf(connection, keys).id !== keyId) {
      throw refusalOf('ERR_SEAL_KEY_UNKNOWN', `no key has the id ${keyId}, or no longer`);
    }
    return { job: this.#open(connection, body, keys, aad), counter, retry: null };
  }

  get #previous(): KeySet | null {
    const { previous, previousUntil } = this.#keys.ring;
    return previous !== null && monotonicMs() < previousUntil ? previous : null;
  }

  /** The connection's own keys replace the engine's. */
  #keysOf(connection: ShardConnection, keys: KeySet): KeySet {
    if (!connection.hasOwnKeys) return keys;
    const aesKey = connection.aesKey ?? keys.aesKey;
    const hmacKey = connection.hmacKey ?? keys.hmacKey;
    // None of these keys is the engine's: a rotation changes neither them nor the key id that the client knows.
    const isAllOwn = aesKey === connection.aesKey && hmacKey === connection.hmacKey;
    return { id: isAllOwn ? this.#firstId : keys.id, aesKey, hmacKey };
  }

  #outgoing({ sealing, codecIndex }: ShardConnection, keys: KeySet): KeySet {
    return this.#boundTo(keys, sealing, codecIndex, 'from server');
  }

  #incoming(connection: ShardConnection, keys: KeySet): KeySet {
    return this.#boundTo(this.#keysOf(connection, keys), connection.sealing, connection.codecIndex, 'from client');
  }

  #boundTo(keys: KeySet, sealing: SealForm, codecIndex: number, direction: Direction): KeySet {
    return sealing === 'deflate2' || sealing === 'seal3' ? this.#bound.of(keys, sealing, codecIndex, direction) : keys;
  }

  #seal(
    source: Uint8Array,
    sealing: SealForm,
    keys: KeySet,
    prefix: Uint8Array | null,
    aad: Uint8Array | null,
  ): SealJob {
    return {
      op: 'seal',
      source,
      keys,
      signThenEncrypt: this.#policy.signThenEncrypt,
      flagged: sealing !== 'classic',
      deflateLevel: this.deflateLevel(sealing, source.length),
      prefix,
      aad,
    };
  }

  #open(connection: ShardConnection, source: Uint8Array, keys: KeySet, aad: Uint8Array | null): OpenJob {
    return {
      op: 'open',
      source,
      keys: this.#incoming(connection, keys),
      signThenEncrypt: this.#policy.signThenEncrypt,
      flagged: connection.sealing !== 'classic',
      maxBytes: this.#maxMessageBytes,
      aad,
    };
  }
}
