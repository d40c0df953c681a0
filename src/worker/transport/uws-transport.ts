import {
  App,
  type HttpResponse,
  type TemplatedApp,
  type us_listen_socket,
  us_listen_socket_close,
  us_socket_local_port,
  type WebSocketBehavior,
} from 'uWebSockets.js';
import { EngineError } from '../../shared/errors/index.ts';
import type {
  CloseCause,
  HttpAnswer,
  Transport,
  TransportEvents,
  TransportOptions,
  TransportRequest,
  UpgradeDecision,
} from './transport.ts';
import { agreeOnCompression, compressorsOf, type UwsAgreement, type UwsCompressors } from './uws-compression.ts';
import { answer, copyRequest } from './uws-http.ts';
import { UwsSocket } from './uws-socket.ts';

/** Methods that the library has and its type declarations lack. */
interface AdoptingApp extends TemplatedApp {
  adoptSocket(descriptor: number): void;
  /** A native pointer, as a number. */
  getDescriptor(): number;
  addChildAppDescriptor(descriptor: unknown): void;
  removeChildAppDescriptor(descriptor: unknown): void;
}

interface UserData<A> {
  readonly attachment: A;
  socket: UwsSocket<UserData<A>> | null;
  /** Messages dropped that were not reported yet. */
  dropped: number;
}

const textDecoder = new TextDecoder();

/**
 * The library reports its own reasons for cutting a connection as the text of a close with code 1006. Of a compressed
 * message it says the same whether that is too big or cannot be inflated.
 */
function closeCause(code: number, reason: string): CloseCause {
  if (code !== 1006) return 'closed';
  if (reason.includes('too big')) return 'tooBig';
  return reason === '' || reason.includes('TCP FIN') || reason.includes('timed out') ? 'lost' : 'protocolError';
}

/**
 * uWebSockets.js behind the transport port. The App stays referenced by its owner for as long as it is open: a
 * collected App takes the process with it.
 */
export class UwsTransport<A> implements Transport {
  readonly #app: AdoptingApp;
  readonly #events: TransportEvents<A>;
  /** Null: nothing is compressed. */
  readonly #compressors: UwsCompressors | null;
  #listenSocket: us_listen_socket | null = null;
  #closed = false;
  /** Sockets that end without having been answered are told apart from those that do by counting both. */
  #answered = 0;

  constructor(options: TransportOptions, events: TransportEvents<A>) {
    this.#events = events;
    const app = App() as AdoptingApp;
    this.#app = app;
    app.filter((_response, change) => {
      // +1 for a new socket, -1 for one that ends while it speaks HTTP. An upgraded one is not reported again.
      if (change > 0 || this.#closed) return;
      if (this.#answered > 0) this.#answered -= 1;
      else events.abandoned();
    });
    this.#compressors = options.compression === null ? null : compressorsOf(options.compression.level);
    this.#serve(options);
    app.any('/*', (response, request) => this.#request(response, copyRequest(response, request)));
  }

  get handle(): unknown {
    return this.#app.getDescriptor();
  }

  adopt(descriptor: number): void {
    this.#app.adoptSocket(descriptor);
  }

  publish(topic: string, payload: Uint8Array, binary: boolean, compress: boolean): void {
    this.#app.publish(topic, payload, binary, compress);
  }

  listen(host: string, port: number, handles: readonly unknown[]): Promise<number> {
    for (const handle of handles) this.#app.addChildAppDescriptor(handle);
    return new Promise((resolve, reject) => {
      this.#app.listen(host, port, (token) => {
        if (token === false) {
          reject(new EngineError('ERR_LISTEN_FAILED', `cannot listen on ${host}:${port}`));
          return;
        }
        this.#listenSocket = token;
        resolve(us_socket_local_port(token));
      });
    });
  }

  forget(handle: unknown): void {
    this.#app.removeChildAppDescriptor(handle);
  }

  stopListening(): void {
    if (this.#listenSocket === null) return;
    us_listen_socket_close(this.#listenSocket);
    this.#listenSocket = null;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#listenSocket = null;
    this.#app.close();
  }

  /**
   * A path has one kind of compressor. Where connections of two kinds are wanted, those with the shared one are served by
   * a second route that comes to see what the first one passes on.
   */
  #serve(options: TransportOptions): void {
    const { path } = options;
    const compressors = this.#compressors;
    if (compressors === null) {
      // 0 is the library's DISABLED.
      this.#app.ws(
        path,
        this.#behavior(options, 0, () => true),
      );
      return;
    }
    const { dedicated, shared } = compressors;
    if (dedicated === null) {
      this.#app.ws(
        path,
        this.#behavior(options, shared, () => true),
      );
      return;
    }
    this.#app.ws(
      path,
      this.#behavior(options, dedicated, (agreement) => agreement?.compressor !== 'shared'),
    );
    const isForShared = (agreement: UwsAgreement | null, request: TransportRequest): boolean =>
      request.path === path && agreement?.compressor === 'shared';
    this.#app.ws('/*', this.#behavior(options, shared, isForShared));
  }

  /** `serves` tells which upgrade requests are for this route. */
  #behavior(
    options: TransportOptions,
    compression: number,
    serves: (agreement: UwsAgreement | null, request: TransportRequest) => boolean,
  ): WebSocketBehavior<UserData<A>> {
    const events = this.#events;
    return {
      maxPayloadLength: options.hardMessageBytes,
      maxBackpressure: options.maxBackpressureBytes,
      idleTimeout: options.idleTimeoutSeconds,
      sendPingsAutomatically: true,
      closeOnBackpressureLimit: false,
      compression,
      upgrade: (response, native, context) => {
        const request = copyRequest(response, native);
        const agreement = this.#agree(request);
        if (serves(agreement, request)) this.#upgrade(response, request, context, agreement?.offer ?? '');
        else native.setYield(true);
      },
      open: (native) => {
        const data = native.getUserData();
        const socket = new UwsSocket(native);
        data.socket = socket;
        this.#guard(() => events.open(data.attachment, socket));
      },
      message: (native, payload, binary) => {
        try {
          events.message(native.getUserData().attachment, new Uint8Array(payload), binary);
        } catch (error) {
          events.error(error);
        }
      },
      drain: (native) => this.#guard(() => events.drain(native.getUserData().attachment)),
      dropped: (native) => this.#dropped(native.getUserData()),
      close: (native, code, message) => {
        const data = native.getUserData();
        data.socket?.detach();
        if (this.#closed) return;
        const reason = textDecoder.decode(message);
        const cause = closeCause(code, reason);
        this.#guard(() => events.close(data.attachment, code, cause === 'closed' ? reason : '', cause));
      },
    };
  }

  #agree(request: TransportRequest): UwsAgreement | null {
    if (this.#compressors === null) return null;
    return agreeOnCompression(request.headers.get('sec-websocket-extensions'), this.#compressors);
  }

  /** `extensions`: the offer that the library is to answer, '' for none. */
  #upgrade(
    response: HttpResponse,
    request: TransportRequest,
    context: Parameters<HttpResponse['upgrade']>[4],
    extensions: string,
  ): void {
    const exchange = this.#begin(response);
    const settle = (decision: UpgradeDecision<A>): void => {
      if (exchange.over || this.#closed) {
        if (decision.accept) this.#guard(() => this.#events.discarded(decision.attachment));
        return;
      }
      if (!decision.accept) {
        this.#answer(response, decision.answer);
        return;
      }
      const data: UserData<A> = { attachment: decision.attachment, socket: null, dropped: 0 };
      const key = request.headers.get('sec-websocket-key') ?? '';
      // Never inside `cork`: when that returns, this version of the library takes the WebSocket's memory for that of
      // the answered request, and now and then reads from it that the connection is to be closed.
      response.upgrade(data, key, decision.subprotocol ?? '', extensions, context);
    };
    const fail = (error: unknown): void => this.#fail(response, exchange, error);
    try {
      const decision = this.#events.upgrade(request);
      if (decision instanceof Promise) {
        decision.then(settle, fail);
      } else if (decision.accept) {
        // At once, while the library has corked this socket by itself: the answer leaves in one packet.
        settle(decision);
      } else {
        setImmediate(settle, decision);
      }
    } catch (error) {
      fail(error);
    }
  }

  #request(response: HttpResponse, request: TransportRequest): void {
    const exchange = this.#begin(response);
    const settle = (what: HttpAnswer): void => {
      if (!exchange.over && !this.#closed) this.#answer(response, what);
    };
    try {
      const what = this.#events.request(request);
      if (what instanceof Promise) what.then(settle, (error: unknown) => this.#fail(response, exchange, error));
      else setImmediate(settle, what);
    } catch (error) {
      this.#fail(response, exchange, error);
    }
  }

  /**
   * No answer but that of an upgrade is given before the library has looked at all bytes of the packet. So it finds a
   * second request that follows the first, which is unanswered, and cuts the connection; answered at once, it would
   * serve the second one too.
   */
  #begin(response: HttpResponse): { over: boolean } {
    const exchange = { over: false };
    response.onAborted(() => {
      exchange.over = true;
    });
    return exchange;
  }

  #fail(response: HttpResponse, exchange: { readonly over: boolean }, error: unknown): void {
    this.#events.error(error);
    setImmediate(() => {
      if (exchange.over || this.#closed) return;
      this.#answer(response, { status: 500, headers: new Map(), body: 'ERR_INTERNAL: the request failed\n' });
    });
  }

  #answer(response: HttpResponse, what: HttpAnswer): void {
    this.#answered += 1;
    answer(response, what);
  }

  /**
   * The library is in the middle of a topic's subscribers here, and crashes if one of them is closed now: report when it
   * is done.
   */
  #dropped(data: UserData<A>): void {
    data.dropped += 1;
    if (data.dropped > 1) return;
    setImmediate(() => {
      const messages = data.dropped;
      data.dropped = 0;
      if (!this.#closed) this.#guard(() => this.#events.dropped(data.attachment, messages));
    });
  }

  #guard(callback: () => void): void {
    try {
      callback();
    } catch (error) {
      this.#events.error(error);
    }
  }
}
