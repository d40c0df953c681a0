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

/** What a connection needs from its shard. */
export interface ConnectionPort {
  /** Whether connections may be given keys: the engine has a `security` option. */
  readonly takesKeys: boolean;
  /** True: newly joined. */
  join(connection: ShardConnection, kind: NamedAudienceKind, name: string): boolean;
  /** True: it was a member. */
  leave(connection: ShardConnection, kind: NamedAudienceKind, name: string): boolean;
  /** Makes the connection one that is sealed for alone, by calling `become`. During that call it is in no audience. */
  individualize(connection: ShardConnection, become: () => void): void;
  /** Encodes and sends: see outbound/fan-out.ts, the only place where messages are encoded for clients. */
  send(connection: ShardConnection, envelope: Envelope): SendVerdict;
  /** Ends an open connection, once. Its unhandled messages are dropped; messages sent to it go out before the end. */
  beginClose(connection: ShardConnection, code: number, reason: string): void;
}

/** The state of a connection between the decision to end it and its end. */
export interface PendingClose {
  readonly code: number;
  readonly reason: string;
  /** Whether all of its messages have left the pool and were sent. */
  isFlushed: boolean;
  /** Bytes that the client had not read when the present wait began. */
  unreadBytes: number;
}

/** A handler's pending answer for which the connection's messages wait. */
export interface Awaited {
  readonly handler: 'connect' | 'authorize';
  readonly connection: ShardConnection;
  /** Cancels the wait; null: the answer came, or nothing waits for it any more. */
  giveUp: (() => void) | null;
  /** Only the wheel of the deadlines writes it. */
  dueAt: number;
}

/** The results of the handshake. */
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

/** A connection in the thread of its shard: the methods that handlers see, and the state that the shard keeps. */
export class ShardConnection implements Connection {
  // Settled by the handshake.
  readonly id: string;
  readonly name: string;
  readonly remoteAddress: string;
  readonly codecImpl: Codec;
  readonly codecIndex: number;
  readonly sealing: SealForm;
  /** Index of its native topic in an audience, unless it is sealed for by itself. */
  readonly variant: number;
  /** Its counters, for `seal3` and `seal2`; else null. */
  readonly session: ServerSession | null;

  // Written at its beginning and its end.
  /** Null before the handshake is answered and after the end. */
  socket: Socket | null = null;
  /** Whether it is established: if names must be unique, its name is its own. */
  isAdmitted = false;
  /**
   * Messages from elsewhere while its `connect` handler, which may set keys, is awaited; null: no handler is awaited.
   */
  deferred: Envelope[] | null = null;
  deferredBytes = 0;
  /** Not null from the moment that this side decides to end it. */
  closing: PendingClose | null = null;

  // Written by the hub.
  /** Whether it gets broadcasts. */
  isEntered = false;
  /** Bytes of the names of its channels and rooms, in UTF-8. */
  membershipBytes = 0;

  // Written by the code that opens and handles its messages.
  /** Number of awaited answers that hold its next message: a `connect` or `authorize` handler, a claim of its name. */
  holds = 0;
  /** Messages that wait for those answers; null: none, as for nearly all connections. */
  pending: Backlog | null = null;
  pendingBytes = 0;
  /** The pending answer of its `connect` handler. */
  connecting: Awaited | null = null;
  /** Whether reading from the client is paused until its waiting messages are handled. */
  isPaused = false;
  /** Called when the waiting messages of a client that has left are handled; null: it has not left. */
  leave: (() => void) | null = null;
  /** Number of malformed messages in a row. */
  malformed = 0;
  /** Number of frames so far that could not be opened. */
  sealFailures = 0;
  /** The frame that the pool is opening now. */
  opening: Ticket | null = null;

  // Written by the turns: its share of the shard's time.
  turn = 0;
  turnCost = 0;
  turnLook = 0;
  isHeldForTurn = false;

  // Written by the rates: its token buckets.
  messagesFullAt = 0;
  bytesFullAt = 0;

  // Written by the code that seals for it.
  /** Whether the first frame of its session has been sent. */
  isGreeted = false;
  /** Its own keys, in place of the engine's. */
  aesKey: Uint8Array | null = null;
  hmacKey: Uint8Array | null = null;
  /** Whether frames are sealed for it alone. Once true, it stays true. */
  isIndividual: boolean;
  /** Its outgoing messages that wait for the pool; null: none. */
  lane: Lane | null = null;

  // Written by the upkeep.
  /** The wheel's tick in which the last frame came. */
  heardAt = 0;
  dueAt = -1;
  /** Whether it is losing messages and the `slow` handler was called. */
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
    // No prototype, because keys often come from clients.
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
