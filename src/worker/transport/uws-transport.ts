import {
  type HttpResponse,
  type us_listen_socket,
  us_listen_socket_close,
  us_socket_local_port,
  type WebSocketBehavior,
} from 'uWebSockets.js';
import { EngineError } from '../../shared/errors/index.ts';
import type { TlsMaterial } from '../../shared/tls.ts';
import { PublishBatch } from './publish-batch.ts';
import type {
  CloseCause,
  Exchange,
  HttpAnswer,
  Transport,
  TransportEvents,
  TransportOptions,
  TransportRequest,
  UpgradeDecision,
} from './transport.ts';
import { type AppHost, UwsApps } from './uws-apps.ts';
import { agreeOnCompression, compressorsOf, type UwsAgreement, type UwsCompressors } from './uws-compression.ts';
import { UwsCork } from './uws-cork.ts';
import { answer, copyRequest } from './uws-http.ts';
import { UwsSocket } from './uws-socket.ts';

interface UserData<A> {
  readonly attachment: A;
  socket: UwsSocket<UserData<A>> | null;
  /** Messages dropped that were not reported yet. */
  dropped: number;
}

/** A request without an answer. */
interface OpenExchange extends Exchange {
  /** It will not get one: its socket has ended. */
  over: boolean;
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
  readonly #apps: UwsApps;
  readonly #batch: PublishBatch;
  readonly #events: TransportEvents<A>;
  /** Null: nothing is compressed. */
  readonly #compressors: UwsCompressors | null;
  #listenSocket: us_listen_socket | null = null;
  #closed = false;
  /** For upgrades that are decided later; null: there was none yet. */
  #cork: UwsCork | null = null;
  /** Sockets that end without having been answered are told apart from those that do by counting both. */
  #answered = 0;

  constructor(options: TransportOptions, events: TransportEvents<A>) {
    this.#events = events;
    this.#compressors = options.compression === null ? null : compressorsOf(options.compression.level);
    this.#apps = new UwsApps(
      options.tls,
      (host) => this.#route(host, options),
      () => {
        if (this.#answered > 0) this.#answered -= 1;
        else events.abandoned();
      },
    );
    this.#batch = new PublishBatch((topic, payload, binary, compress) => {
      if (!this.#closed) this.#apps.publish(topic, payload, binary, compress);
    });
  }

  get handle(): unknown {
    return this.#apps.current.getDescriptor();
  }

  adopt(descriptor: number): void {
    this.#apps.current.adoptSocket(descriptor);
  }

  publish(topic: string, payload: Uint8Array, binary: boolean, compress: boolean): void {
    this.#batch.publish(topic, payload, binary, compress);
  }

  listen(host: string, port: number, handles: readonly unknown[]): Promise<number> {
    const app = this.#apps.current;
    for (const handle of handles) app.addChildAppDescriptor(handle);
    return new Promise((resolve, reject) => {
      app.listen(host, port, (token) => {
        if (token === false) {
          reject(new EngineError('ERR_LISTEN_FAILED', `cannot listen on ${host}:${port}`));
          return;
        }
        this.#listenSocket = token;
        resolve(us_socket_local_port(token));
      });
    });
  }

  meet(handle: unknown): void {
    this.#apps.current.addChildAppDescriptor(handle);
  }

  forget(handle: unknown): void {
    this.#apps.current.removeChildAppDescriptor(handle);
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
    this.#cork?.close();
    this.#apps.close();
  }

  renewTls(tls: TlsMaterial): void {
    this.#apps.renew(tls);
  }

  #route(host: AppHost, options: TransportOptions): void {
    this.#serve(host, options);
    host.app.any('/*', (response, request) => {
      this.#request(response, copyRequest(response, request, host.asksForCertificates));
    });
  }

  /**
   * A path has one kind of compressor. Where connections of two kinds are wanted, those with the shared one are served by
   * a second route that comes to see what the first one passes on.
   */
  #serve(host: AppHost, options: TransportOptions): void {
    const { app } = host;
    const { path } = options;
    const compressors = this.#compressors;
    if (compressors === null) {
      // 0 is the library's DISABLED.
      app.ws(
        path,
        this.#behavior(host, options, 0, () => true),
      );
      return;
    }
    const { dedicated, shared } = compressors;
    if (dedicated === null) {
      app.ws(
        path,
        this.#behavior(host, options, shared, () => true),
      );
      return;
    }
    app.ws(
      path,
      this.#behavior(host, options, dedicated, (agreement) => agreement?.compressor !== 'shared'),
    );
    const isForShared = (agreement: UwsAgreement | null, request: TransportRequest): boolean =>
      request.path === path && agreement?.compressor === 'shared';
    app.ws('/*', this.#behavior(host, options, shared, isForShared));
  }

  /** `serves` tells which upgrade requests are for this route. */
  #behavior(
    host: AppHost,
    options: TransportOptions,
    compression: number,
    serves: (agreement: UwsAgreement | null, request: TransportRequest) => boolean,
  ): WebSocketBehavior<UserData<A>> {
    const events = this.#events;
    return {
      maxPayloadLength: options.hardMessageBytes,
      maxBackpressure: options.maxBackpressureBytes,
      idleTimeout: options.idleTimeoutSeconds,
      sendPingsAutomatically: false,
      closeOnBackpressureLimit: false,
      compression,
      upgrade: (response, native, context) => {
        const request = copyRequest(response, native, host.asksForCertificates);
        const agreement = this.#agree(request);
        if (serves(agreement, request)) this.#upgrade(response, request, context, agreement?.offer ?? '');
        else native.setYield(true);
      },
      open: (native) => {
        const data = native.getUserData();
        const socket = new UwsSocket(native, this.#batch);
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
      ping: (native) => this.#alive(native.getUserData()),
      pong: (native) => this.#alive(native.getUserData()),
      drain: (native) => this.#guard(() => events.drain(native.getUserData().attachment)),
      dropped: (native) => this.#dropped(native.getUserData()),
      close: (native, code, message) => {
        const data = native.getUserData();
        data.socket?.detach();
        host.left();
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
    // Read now: whoever decides may keep the request, and write into it.
    const key = request.headers.get('sec-websocket-key') ?? '';
    const settle = (decision: UpgradeDecision<A>): void => {
      if (exchange.over || this.#closed) {
        if (decision.accept) this.#guard(() => this.#events.discarded(decision.attachment));
        return;
      }
      exchange.onGone = null;
      if (!decision.accept) {
        this.#answer(response, decision.answer);
        return;
      }
      const data: UserData<A> = { attachment: decision.attachment, socket: null, dropped: 0 };
      // Never inside of the response's own `cork`, see UwsCork.
      response.upgrade(data, key, decision.subprotocol ?? '', extensions, context);
    };
    const settleLater = (decision: UpgradeDecision<A>): void | Promise<void> => {
      if (!decision.accept || exchange.over || this.#closed) return settle(decision);
      this.#cork ??= new UwsCork();
      const cork = this.#cork;
      return cork.ready().then(() => cork.run(() => settle(decision)));
    };
    const fail = (error: unknown): void => this.#fail(response, exchange, error);
    try {
      const decision = this.#events.upgrade(request, exchange);
      if (decision instanceof Promise) {
        decision.then(settleLater).catch(fail);
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
  #begin(response: HttpResponse): OpenExchange {
    const exchange: OpenExchange = { over: false, onGone: null };
    response.onAborted(() => {
      exchange.over = true;
      const { onGone } = exchange;
      exchange.onGone = null;
      if (onGone !== null) this.#guard(onGone);
    });
    return exchange;
  }

  #fail(response: HttpResponse, exchange: OpenExchange, error: unknown): void {
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

  #alive(data: UserData<A>): void {
    try {
      this.#events.alive(data.attachment);
    } catch (error) {
      this.#events.error(error);
    }
  }

  #guard(callback: () => void): void {
    try {
      callback();
    } catch (error) {
      this.#events.error(error);
    }
  }
}
