import type { CodecName } from '../../shared/codec/index.ts';
import type { OutgoingMessage, ReceivedMessage } from '../../shared/message/message.ts';
import type { DirectVerdict, PublishVerdict } from '../../shared/message/verdict.ts';
import type { SendVerdict } from '../transport/transport.ts';
import type { Rejection } from './rejection.ts';

export type { CodecName } from '../../shared/codec/index.ts';
export type { OutgoingMessage, ReceivedMessage } from '../../shared/message/message.ts';
export type { MessageData } from '../../shared/message/message-data.ts';
export type { DirectVerdict, PublishVerdict } from '../../shared/message/verdict.ts';
export type { SendVerdict } from '../transport/transport.ts';
export { type Rejection, type RejectOptions, reject } from './rejection.ts';

/** One client, in the thread of its shard. All methods may be called after the connection has ended. */
export interface Connection {
  /** Unique in the engine; tells the shard. Envelopes carry it as `client_id`. */
  readonly id: string;
  /**
   * The name that `upgrade` gave; else the id that the client gave itself (`X-Client-ID` or `?client_id=`), which is
   * not authenticated; '' if there is none.
   */
  readonly name: string;
  readonly codec: CodecName;
  /** The client's address; behind proxies as the option `trustProxy` says. */
  readonly remoteAddress: string;
  /** An object for your own values. It starts with the values that `upgrade` gave, or empty. */
  readonly metadata: Record<string, unknown>;
  /** Channels and rooms that this connection is in, at this moment. */
  readonly channels: readonly string[];
  readonly rooms: readonly string[];
  /** Bytes that wait for the client to read. */
  readonly bufferedBytes: number;
  /** False once the connection is closing or closed. */
  readonly isOpen: boolean;
  /** Default type `message`. Throws `ERR_MESSAGE_INVALID` for what is no message. */
  send(message: OutgoingMessage): SendVerdict;
  /**
   * True: newly subscribed. Repeated calls do no harm. Throws `ERR_CHANNEL_INVALID`, `ERR_LIMIT_CHANNELS` or
   * `ERR_LIMIT_MEMBERSHIP_BYTES`.
   */
  subscribe(channel: string): boolean;
  unsubscribe(channel: string): boolean;
  /** Throws `ERR_ROOM_INVALID`, `ERR_LIMIT_ROOMS` or `ERR_LIMIT_MEMBERSHIP_BYTES`. */
  joinRoom(room: string): boolean;
  leaveRoom(room: string): boolean;
  /**
   * AES-256-GCM key for this connection alone, in place of the engine's; null: the engine's key again. It is in force
   * at once, in both directions. Set it in `connect`, before anything is sent. Throws `ERR_KEY_INVALID` unless it has
   * 32 bytes, `ERR_SECURITY_OFF` if the engine has no `security` option.
   */
  setEncryptionKey(key: Uint8Array | null): void;
  /** HMAC-SHA256 key for this connection alone, at least 1 byte; otherwise as `setEncryptionKey`. */
  setHmacKey(key: Uint8Array | null): void;
  /** Sends a Close frame. Codes 1000–1003, 1007–1014 and 3000–4999; a reason has at most 123 bytes of UTF-8. */
  close(code?: number, reason?: string): void;
}

/** The engine as a handler module sees it, from inside one shard. It reaches every shard. */
export interface ShardApi {
  /** Index of this shard, from 0. */
  readonly shard: number;
  publish(channel: string, message: OutgoingMessage): PublishVerdict;
  publishToRoom(room: string, message: OutgoingMessage): PublishVerdict;
  broadcast(message: OutgoingMessage): PublishVerdict;
  send(connectionId: string, message: OutgoingMessage): DirectVerdict;
  disconnect(connectionId: string, code?: number, reason?: string): DirectVerdict;
}

/** A handshake that passed all checks of the engine. It is a copy: you may keep it. */
export interface UpgradeRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Names in lower case; values of a repeated header joined with ', ' (cookies with '; '). */
  readonly headers: ReadonlyMap<string, string>;
  /** Of the `Cookie` header (RFC 6265), values not decoded. */
  readonly cookies: ReadonlyMap<string, string>;
  /** As `connection.remoteAddress` will be. */
  readonly remoteAddress: string;
  /** The `Origin` header, allowed by the option `origins`; undefined: the client is no browser. */
  readonly origin: string | undefined;
  /** What the client offers, in its order. */
  readonly subprotocols: readonly string[];
  /** The id that the client gave itself, '' if there is none. Not authenticated. */
  readonly name: string;
  /** Aborted when the client leaves before the answer, or the answer takes longer than `limits.handshakeMs`. */
  readonly signal: AbortSignal;
}

/** Accepts a handshake, with settings for the connection. */
export interface UpgradeAcceptance {
  /** Initial values of `connection.metadata`: its own properties are copied. */
  readonly metadata?: Readonly<Record<string, unknown>>;
  /** A name of at most 128 characters in place of the client's own id: you have authenticated it. '': none. */
  readonly name?: string;
  /** A subprotocol that the client offered and the engine knows, in place of the engine's choice. */
  readonly subprotocol?: string;
}

/** `true`, `undefined` or an acceptance: yes. `false`: 403. */
// biome-ignore lint/suspicious/noConfusingVoidType: a handler that returns nothing accepts.
export type UpgradeResult = boolean | undefined | void | UpgradeAcceptance | Rejection;

/** What a client wants to do; `target` is the channel, the room, or '' for a broadcast. */
export type Action = 'subscribe' | 'publish' | 'broadcast' | 'join' | 'room';

/**
 * Code of the embedding program that runs in every shard. What a handler throws or rejects with is caught, counted as
 * `handlerErrors` and logged with the connection's id; the connection continues.
 */
export interface Handlers {
  /**
   * Whether a client may connect. The answer is awaited for `limits.handshakeMs`. A throw, a rejection or a result of
   * another type is answered with 500.
   */
  upgrade?(request: UpgradeRequest): UpgradeResult | PromiseLike<UpgradeResult>;
  /** Awaited before the first message of the connection is handled. */
  connect?(connection: Connection): void | PromiseLike<void>;
  /** Called for every message, control messages too, before the engine acts on it. Not awaited. */
  message?(connection: Connection, message: ReceivedMessage): void | PromiseLike<void>;
  /** Called once per connection that was opened. */
  disconnect?(connection: Connection, code: number, reason: string): void | PromiseLike<void>;
  /**
   * Whether a client may do `action`. Later messages of the connection wait for a promise. A throw means no. Without
   * this handler clients may subscribe, join and publish, send to rooms they are in, and may not broadcast.
   */
  authorize?(connection: Connection, action: Action, target: string): boolean | PromiseLike<boolean>;
  /**
   * With `slowConsumer: 'drop'`: the connection reads too slowly and missed `dropped` messages. Called once, until less
   * than half of `maxBackpressureBytes` waits for it; later drops are then reported again.
   */
  slow?(connection: Connection, dropped: number): void | PromiseLike<void>;
}

export type HandlersFactory = (shard: ShardApi) => Handlers | PromiseLike<Handlers>;

/**
 * Types the default export of a handler module: the handlers, or a function that is called once per shard with the
 * shard's API and gives them.
 */
export function defineHandlers(handlers: Handlers): Handlers;
export function defineHandlers(handlers: HandlersFactory): HandlersFactory;
export function defineHandlers(handlers: Handlers | HandlersFactory): Handlers | HandlersFactory {
  return handlers;
}
