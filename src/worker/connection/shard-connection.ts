import type { Codec, CodecName, Envelope } from '../../shared/codec/index.ts';
import { closeCode, EngineError } from '../../shared/errors/index.ts';
import { checkClose, cutReason } from '../../shared/message/close.ts';
import { type OutgoingMessage, outgoingEnvelope } from '../../shared/message/message.ts';
import type { NamedAudienceKind } from '../../shared/message/names.ts';
import { checkAesKey, checkHmacKey, ServerSession } from '../../shared/security/index.ts';
import type { Connection } from '../handlers/api.ts';
import type { Lane } from '../offload/lane.ts';
import type { Ticket } from '../offload/offload-port.ts';
import type { SendVerdict, Socket } from '../transport/transport.ts';
import type { Backlog } from './backlog.ts';
import { type SealForm, variantOf } from './variants.ts';

/** What a connection asks of its shard. */
export interface ConnectionPort {
  /** Whether connections may be given keys: the engine has a `security` option. */
  readonly takesKeys: boolean;
  /** True: newly joined. */
  join(connection: ShardConnection, kind: NamedAudienceKind, name: string): boolean;
  /** True: it was a member. */
  leave(connection: ShardConnection, kind: NamedAudienceKind, name: string): boolean;
  /** `become` makes it one that is sealed for by itself; meanwhile it is in no audience. */
  individualize(connection: ShardConnection, become: () => void): void;
  send(connection: ShardConnection, envelope: Envelope): SendVerdict;
  /** Of an open connection, once: what it has not handled is forgotten, what was sent to it goes out before the end. */
  beginClose(connection: ShardConnection, code: number, reason: string): void;
}

/** A connection that is to end, from the decision to the end. */
export interface PendingClose {
  readonly code: number;
  readonly reason: string;
  /** Whether all that the pool had for it has been sent. */
  isFlushed: boolean;
  /** Bytes that the client had not read when the wait began, or began anew. */
  unreadBytes: number;
}

/** A handler's answer that the messages of a connection wait for. */
export interface Awaited {
  readonly handler: 'connect' | 'authorize';
  readonly connection: ShardConnection;
  /** Forgets what waits for the answer; null: the answer came, or nobody waits for it any more. */
  giveUp: (() => void) | null;
  /** Belongs to the wheel of the deadlines. */
  dueAt: number;
}

/** Facts settled by the handshake. */
export interface ConnectionFacts {
  readonly id: string;
  readonly name: string;
  readonly codec: Codec;
  readonly remoteAddress: string;
  readonly sealing: SealForm;
  /** For `seal3` and `seal2`. */
  readonly clientNonce: Uint8Array | null;
  /** To begin with. */
  readonly metadata: Record<string, unknown> | null;
}

/** A connection in the thread of its shard: what handlers see, and what the shard keeps about it. */
export class ShardConnection implements Connection {
  // Settled by the handshake.
  readonly id: string;
  readonly name: string;
  readonly remoteAddress: string;
  readonly codecImpl: Codec;
  readonly codecIndex: number;
  readonly sealing: SealForm;
  /** Which of an audience's native topics it is in, unless it is sealed for by itself. */
  readonly variant: number;
  /** Not null for `seal3` and `seal2`: its counters. */
  readonly session: ServerSession | null;

  // Written at its beginning and its end.
  /** Null before the handshake is answered and after the end. */
  socket: Socket | null = null;
  /** Whether it counts: its name, if that must be unique, is its own. */
  isAdmitted = false;
  /**
   * What was sent to it from elsewhere while its `connect` handler, which may give it keys, is awaited; null: it is not.
   */
  deferred: Envelope[] | null = null;
  deferredBytes = 0;
  /** Not null from the moment that its end is decided here. */
  closing: PendingClose | null = null;

  // Written by the hub.
  /** Whether what goes to everyone goes to it. */
  isEntered = false;
  /** Of the names of its channels and rooms, in UTF-8. */
  membershipBytes = 0;

  // Written by whoever opens and handles what it sends.
  /** How many things are awaited before the next message may be handled: a `connect` or `authorize` handler, a name. */
  holds = 0;
  /** Messages that wait meanwhile; null: none, as with nearly all connections. */
  pending: Backlog | null = null;
  pendingBytes = 0;
  /** Its `connect` handler, if that is awaited. */
  connecting: Awaited | null = null;
  /** Whether no more is read of the client until what waits is handled. */
  isPaused = false;
  /** What is to be done when that is so, of a client that has left; null: it has not. */
  leave: (() => void) | null = null;
  /** Malformed messages in a row. */
  malformed = 0;
  /** Frames that could not be opened so far. */
  sealFailures = 0;
  /** The frame that the pool is opening. */
  opening: Ticket | null = null;

  // Written by the turns: what it has taken of the shard's.
  turn = 0;
  turnCost = 0;
  turnLook = 0;
  isHeldForTurn = false;

  // Written by the rates: its token buckets.
  messagesFullAt = 0;
  bytesFullAt = 0;

  // Written by whoever seals for it.
  /** Whether the first frame of its session has been sent. */
  isGreeted = false;
  /** Keys of its own, in place of the engine's. */
  aesKey: Uint8Array | null = null;
  hmacKey: Uint8Array | null = null;
  /** Whether frames are sealed for it by itself. Once so, it stays so. */
  isIndividual: boolean;
  /** What waits for the pool on its way out; null: nothing. */
  lane: Lane | null = null;

  // Written by the upkeep.
  /** The wheel's tick in which the last frame came. */
  heardAt = 0;
  dueAt = -1;
  /** Whether it is losing messages, and the handlers were told. */
  isSlow = false;

  #metadata: Record<string, unknown> | null;
  #channels: Set<string> | null = null;
  #rooms: Set<string> | null = null;
  readonly #port: ConnectionPort;

  constructor(facts: ConnectionFacts, port: ConnectionPort) {
    this.id = facts.id;
    this.name = facts.name;
    this.remoteAddress = facts.remoteAddress;
    this.codecImpl = facts.codec;
    this.codecIndex = facts.codec.index;
    this.sealing = facts.sealing;
    this.variant = variantOf(facts.codec.index, facts.sealing);
    this.session =
      facts.clientNonce === null
        ? null
        : new ServerSession(facts.id, facts.clientNonce, facts.sealing === 'seal3' ? 3 : 2);
    this.isIndividual = this.session !== null;
    this.#metadata = facts.metadata;
    this.#port = port;
  }

  get codec(): CodecName {
    return this.codecImpl.name;
  }

  get metadata(): Record<string, unknown> {
    // Without a prototype: keys often come from clients.
    this.#metadata ??= Object.create(null) as Record<string, unknown>;
    return this.#metadata;
  }

  get channels(): readonly string[] {
    return this.#channels === null ? [] : [...this.#channels];
  }

  get rooms(): readonly string[] {
    return this.#rooms === null ? [] : [...this.#rooms];
  }

  get bufferedBytes(): number {
    return (this.socket?.bufferedBytes ?? 0) + (this.lane?.bytes ?? 0);
  }

  get hasOwnKeys(): boolean {
    return this.aesKey !== null || this.hmacKey !== null;
  }

  get isOpen(): boolean {
    return this.socket !== null && this.closing === null;
  }

  get isHeld(): boolean {
    return this.holds > 0;
  }

  /** Names of the channels or rooms, for the hub. Most connections never need the set. */
  memberships(kind: NamedAudienceKind): Set<string> {
    if (kind === 'channel') {
      this.#channels ??= new Set();
      return this.#channels;
    }
    this.#rooms ??= new Set();
    return this.#rooms;
  }

  send(message: OutgoingMessage): SendVerdict {
    const envelope = outgoingEnvelope(message, 'message');
    return this.isOpen ? this.#port.send(this, envelope) : 'closed';
  }

  setEncryptionKey(key: Uint8Array | null): void {
    this.#requireSecurity();
    const checked = key === null ? null : checkAesKey(key, 'key');
    this.#setKey(() => {
      this.aesKey = checked;
    });
  }

  setHmacKey(key: Uint8Array | null): void {
    this.#requireSecurity();
    const checked = key === null ? null : checkHmacKey(key, 'key');
    this.#setKey(() => {
      this.hmacKey = checked;
    });
  }

  subscribe(channel: string): boolean {
    return this.#port.join(this, 'channel', channel);
  }

  unsubscribe(channel: string): boolean {
    return this.#port.leave(this, 'channel', channel);
  }

  joinRoom(room: string): boolean {
    return this.#port.join(this, 'room', room);
  }

  leaveRoom(room: string): boolean {
    return this.#port.leave(this, 'room', room);
  }

  close(code: number = closeCode.normal, reason = ''): void {
    checkClose(code, reason);
    if (!this.isOpen) return;
    this.#port.beginClose(this, code, cutReason(reason));
  }

  #requireSecurity(): void {
    if (this.#port.takesKeys) return;
    throw new EngineError('ERR_SECURITY_OFF', 'a connection takes keys only if the engine has the option "security"', {
      path: 'security',
      allowed: 'an object, which may be empty',
    });
  }

  #setKey(set: () => void): void {
    if (this.isIndividual) {
      set();
      return;
    }
    this.#port.individualize(this, () => {
      this.isIndividual = true;
      set();
    });
  }
}
