import type { TlsMaterial } from '../../shared/config/tls.ts';

/** A copy of a request as it arrived. It may be kept. */
export interface TransportRequest {
  /** Upper case. */
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** Without the question mark. */
  readonly query: string;
  /** Names in lower case; values of a repeated header joined with ', '. */
  readonly headers: ReadonlyMap<string, string>;
  /** Text form of the peer's address, IPv6 without zero compression. */
  readonly remoteAddress: string;
  /** The client's address that the peer sent ahead of the request (PROXY protocol, version 2), '' if it did not. */
  readonly proxiedAddress: string;
  /** PEM of the client's certificate, '' if it sent none; null: clients are not asked for one. */
  readonly clientCertificate: string | null;
}

/** An upgrade that waits for a decision. */
export interface Exchange {
  /** Called at most once, if the client leaves before the decision. The decider sets it. */
  onGone: (() => void) | null;
}

/** Answer to a request that does not become a WebSocket. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
  /** For refusals by the engine: the error code, and what is allowed. For counters and logs; not sent. */
  readonly code?: string;
  readonly allowed?: string;
}

/** Answer to a request with WebSocket headers: a connection with `attachment`, or an HTTP answer. */
export type UpgradeDecision<A> =
  | { readonly accept: true; readonly attachment: A; readonly subprotocol: string | null }
  | { readonly accept: false; readonly answer: HttpAnswer };

export type SendVerdict = 'sent' | 'buffered' | 'dropped' | 'closed';

/** Names for the last arguments of `send` and `publish`, which are booleans. */
export const asBinary = true;
export const uncompressed = false;

/** One WebSocket, of whatever library. Every method is safe after the close. */
export interface Socket {
  /**
   * 'buffered': the peer reads too slowly; 'dropped': its bound of buffered bytes is reached. `compress` has an effect
   * only if compression was agreed on with the peer.
   */
  send(payload: Uint8Array, binary: boolean, compress: boolean): SendVerdict;
  /** Topics belong to the transport. Repeated calls do no harm. */
  subscribe(topic: string): void;
  unsubscribe(topic: string): void;
  /** Sends an empty ping. Does nothing while bytes wait: `drain` then shows whether the peer reads them. */
  ping(): void;
  /**
   * Sends a Close frame, then ends. Call it only on a socket without waiting bytes: behind too many of them the frame
   * is lost. A peer that does not close its side is cut soon after.
   */
  end(code: number, reason: string): void;
  /** Ends at once, without a Close frame. */
  terminate(): void;
  /**
   * Stops reading from the system, so that TCP holds the peer back. Messages already read are still delivered. A write
   * that finds no room may start the reading again: call `pause` once more. A close by the peer is noticed only after
   * `resume`.
   */
  pause(): void;
  resume(): void;
  /** Bytes that wait for the peer to read. */
  readonly bufferedBytes: number;
}

/**
 * Why a connection ended, as far as the transport knows. A compressed message that cannot be inflated may be reported
 * as 'tooBig'.
 */
export type CloseCause = 'closed' | 'tooBig' | 'protocolError' | 'lost';

/** The events of a transport; `A` is the type of the owner's attachment to a connection. */
export interface TransportEvents<A> {
  /** A request with WebSocket headers for `path`. */
  upgrade(request: TransportRequest, exchange: Exchange): UpgradeDecision<A> | Promise<UpgradeDecision<A>>;
  /** Any other request. Its client may have left before a promise settles. */
  request(request: TransportRequest): HttpAnswer | Promise<HttpAnswer>;
  open(attachment: A, socket: Socket): void;
  /** `payload` is valid only during the call. */
  message(attachment: A, payload: Uint8Array, binary: boolean): void;
  /**
   * A pong came, or a ping, which the transport has already answered. `unanswered`: a ping whose pong was dropped,
   * because the bound of this socket was reached.
   */
  alive(attachment: A, unanswered: boolean): void;
  /** A socket that answered 'buffered' or 'dropped' has room again. */
  drain(attachment: A): void;
  /**
   * This many published or sent messages were dropped for this socket, because its bound was reached. `batches` of them
   * are the first dropped messages of a batch of up to 32 published ones: the rest of such a batch was dropped too, and
   * the transport cannot count it. Reported a moment later, perhaps after the close.
   */
  dropped(attachment: A, messages: number, batches: number): void;
  /** Exactly once per opened connection. `code` is 1005 or 1006 as in RFC 6455 section 7.1.5. */
  close(attachment: A, code: number, reason: string, cause: CloseCause): void;
  /**
   * Exactly once per opened connection, after its close: its socket no longer exists. This may be some time after the
   * close.
   */
  gone(attachment: A): void;
  /** A socket was cut because its peer did not close its side after the Close frame was sent. */
  cut(): void;
  /** A socket ended before it completed a request, or before the answer to its upgrade was ready. */
  abandoned(): void;
  /** The client of an upgrade that was decided later left before the answer: `open` will not come. */
  discarded(attachment: A): void;
  /** The callback of an event threw. The connection continues. */
  error(error: unknown): void;
  /** After `listen`: true: nothing is accepted now, because no descriptor is free; false: it accepts again. */
  starved(isStarved: boolean): void;
}

export interface TransportOptions {
  /** Path of WebSockets. */
  readonly path: string;
  /** Hard bound of one message, also after inflating. A longer message is cut off while it arrives. */
  readonly hardMessageBytes: number;
  readonly maxBackpressureBytes: number;
  /**
   * The last resort: a socket on which nothing moves in either direction for this long is cut, also one that is ending.
   * At most 960; 0: no socket is cut.
   */
  readonly idleTimeoutSeconds: number;
  /** Agree on permessage-deflate (RFC 7692) with clients that offer it; null: never. `level` is 1 to 9. */
  readonly compression: { readonly level: number } | null;
  /** Null: plain TCP. */
  readonly tls: TlsMaterial | null;
}

/** What a shard needs from a socket library. test/transport has the contract that every adapter passes. */
export interface Transport {
  /** Takes over an accepted, non-blocking TCP socket. From then on the transport owns the descriptor. */
  adopt(descriptor: number): void;
  /**
   * Sends to all subscribers of a topic in this thread. `compress`: compressed for peers with which that was agreed on.
   */
  publish(topic: string, payload: Uint8Array, binary: boolean, compress: boolean): void;
  /**
   * Accepts connections and hands each round robin to the transports behind `handles` (see `handle`), which may live in
   * other threads. Resolves to the port. Rejects if it cannot listen on the address.
   */
  listen(host: string, port: number, handles: readonly unknown[]): Promise<number>;
  /** Names this transport to `listen` of another thread. Structured-cloneable. */
  readonly handle: unknown;
  /** After `listen`: hands connections to the transport behind `handle` too. */
  meet(handle: unknown): void;
  /** Hands no more connections to the transport behind `handle`, which is about to close. */
  forget(handle: unknown): void;
  /** Stops accepting, if it listens. */
  stopListening(): void;
  /**
   * Connections taken over from now on get another certificate; existing ones keep theirs. Throws `ERR_TLS_INVALID`;
   * nothing has changed then. `handle` changes, so this must not be used on a transport behind the `listen` of another.
   */
  renewTls(tls: TlsMaterial): void;
  /** Closes all sockets. No event follows. */
  close(): void;
}

export type CreateTransport = <A>(options: TransportOptions, events: TransportEvents<A>) => Transport;
