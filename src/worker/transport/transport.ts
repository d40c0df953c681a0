import type { TlsMaterial } from '../../shared/config/tls.ts';

/** A request as it arrived, copied: valid for as long as it is held. */
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
  /** The client's address as the peer gave it ahead of the request (PROXY protocol, version 2), '' if it did not. */
  readonly proxiedAddress: string;
  /** PEM of the certificate that the client has shown, '' if none; null: clients are not asked for one. */
  readonly clientCertificate: string | null;
}

/** An upgrade that is being decided. */
export interface Exchange {
  /** Called at most once: the client has left before the decision. Whoever decides sets it. */
  onGone: (() => void) | null;
}

/** Answer to a request that does not become a WebSocket. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
  /** Of a refusal of the engine's own: its error code, and what would be allowed. For counters and logs; not sent. */
  readonly code?: string;
  readonly allowed?: string;
}

/** Answer to a request with WebSocket headers: a connection with `attachment`, or an HTTP answer. */
export type UpgradeDecision<A> =
  | { readonly accept: true; readonly attachment: A; readonly subprotocol: string | null }
  | { readonly accept: false; readonly answer: HttpAnswer };

export type SendVerdict = 'sent' | 'buffered' | 'dropped' | 'closed';

/** Words for the last arguments of `send` and `publish`: two booleans in a row would say nothing. */
export const asBinary = true;
export const uncompressed = false;

/** One WebSocket, of whatever library. Every method is safe after the close. */
export interface Socket {
  /**
   * 'buffered': the peer reads too slowly; 'dropped': its bound of buffered bytes is reached. `compress` has an effect
   * only where compression was agreed on with the peer.
   */
  send(payload: Uint8Array, binary: boolean, compress: boolean): SendVerdict;
  /** Topics are the transport's own; repeating is harmless. */
  subscribe(topic: string): void;
  unsubscribe(topic: string): void;
  /** Sends an empty ping. Does nothing while bytes wait: if the peer reads them, `drain` tells. */
  ping(): void;
  /**
   * Sends a Close frame, then ends. For a socket without bytes that wait: behind too many of them the frame is lost. A
   * peer that does not end its side too is cut soon.
   */
  end(code: number, reason: string): void;
  /** Ends at once, without a Close frame. */
  terminate(): void;
  /**
   * Reads no more from the system, so that the peer is held back. What was read comes all the same, and a write that finds
   * no room may set the reading going again: `pause` once more. That the peer has left shows after `resume`.
   */
  pause(): void;
  resume(): void;
  /** Bytes that wait for the peer to read. */
  readonly bufferedBytes: number;
}

/**
 * Why a connection ended, as far as the transport can tell apart. A compressed message that cannot be inflated may be
 * reported as 'tooBig'.
 */
export type CloseCause = 'closed' | 'tooBig' | 'protocolError' | 'lost';

/** What a transport reports; `A` is what the owner attached to a connection. */
export interface TransportEvents<A> {
  /** A request with WebSocket headers for `path`. */
  upgrade(request: TransportRequest, exchange: Exchange): UpgradeDecision<A> | Promise<UpgradeDecision<A>>;
  /** Any other request. Its client may have left before a promise settles. */
  request(request: TransportRequest): HttpAnswer | Promise<HttpAnswer>;
  open(attachment: A, socket: Socket): void;
  /** `payload` is valid only during the call. */
  message(attachment: A, payload: Uint8Array, binary: boolean): void;
  /**
   * A ping, which is answered already, or a pong came. `unanswered`: a ping whose pong was not given to this socket, whose
   * bound was reached.
   */
  alive(attachment: A, unanswered: boolean): void;
  /** Room was made in a socket that answered 'buffered' or 'dropped'. */
  drain(attachment: A): void;
  /**
   * So many published or sent messages were not given to this socket, whose bound was reached. `batches` of them are those
   * that the transport saw of as many batches of published ones: the rest of such a batch, of at most 32, was dropped
   * unseen. Told a moment later, perhaps after the close.
   */
  dropped(attachment: A, messages: number, batches: number): void;
  /** Exactly once per opened connection. `code` is 1005 or 1006 as in RFC 6455 section 7.1.5. */
  close(attachment: A, code: number, reason: string, cause: CloseCause): void;
  /** Exactly once per opened connection, after its close: its socket is really gone, which may be a while later. */
  gone(attachment: A): void;
  /** A socket was cut because its peer did not end its side when the Close frame was out. */
  cut(): void;
  /** A socket ended before it completed a request, or before the answer to its upgrade was ready. */
  abandoned(): void;
  /** The client of an upgrade that was decided later left before the answer: `open` will not come. */
  discarded(attachment: A): void;
  /** `callback` of an event threw. The connection goes on. */
  error(error: unknown): void;
  /** After `listen`: nothing is accepted for the moment, because no descriptor is left (true); it is again (false). */
  starved(isStarved: boolean): void;
}

export interface TransportOptions {
  /** Path of WebSockets. */
  readonly path: string;
  /** Hard bound of one message, also of what it is inflated to: a longer one is cut off while it arrives. */
  readonly hardMessageBytes: number;
  readonly maxBackpressureBytes: number;
  /**
   * The last resort against a socket on which nothing moves in either direction for this long, also one that is ending:
   * it is cut. At most 960; 0: none is.
   */
  readonly idleTimeoutSeconds: number;
  /** Agree on permessage-deflate (RFC 7692) with clients that offer it; null: with nobody. `level` is 1 to 9. */
  readonly compression: { readonly level: number } | null;
  /** Null: plain TCP. */
  readonly tls: TlsMaterial | null;
}

/** What a shard needs of a socket library. test/transport holds the contract that every adapter passes. */
export interface Transport {
  /** Takes over an accepted, non-blocking TCP socket. The descriptor is the transport's from here on. */
  adopt(descriptor: number): void;
  /** Sends to all subscribers of a topic in this thread; `compress`: to those with whom that was agreed on. */
  publish(topic: string, payload: Uint8Array, binary: boolean, compress: boolean): void;
  /**
   * Accepts on its own and hands each connection round robin to the transports behind `handles` (see `handle`), which
   * may live in other threads. Resolves to the port. Rejects if the address cannot be had.
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
   * Connections taken over from here on get another certificate; those there are go on as they were. Throws
   * `ERR_TLS_INVALID`; nothing has changed then. `handle` is another one afterwards: not for a transport that is behind
   * the `listen` of one.
   */
  renewTls(tls: TlsMaterial): void;
  /** Ends everything. No event follows. */
  close(): void;
}

export type CreateTransport = <A>(options: TransportOptions, events: TransportEvents<A>) => Transport;
