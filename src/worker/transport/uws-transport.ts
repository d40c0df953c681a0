import {
  App,
  type HttpRequest,
  type HttpResponse,
  type TemplatedApp,
  type us_listen_socket,
  us_listen_socket_close,
  us_socket_local_port,
  type WebSocket,
} from 'uWebSockets.js';
import { EngineError } from '../../shared/errors/index.ts';
import type {
  CloseCause,
  HttpAnswer,
  SendVerdict,
  Socket,
  Transport,
  TransportEvents,
  TransportOptions,
  TransportRequest,
  UpgradeDecision,
} from './transport.ts';

/** Methods that the library has and its type declarations lack. */
interface AdoptingApp extends TemplatedApp {
  adoptSocket(descriptor: number): void;
  /** A native pointer, as a number. */
  getDescriptor(): number;
  addChildAppDescriptor(descriptor: unknown): void;
}

interface UserData<A> {
  readonly attachment: A;
  socket: UwsSocket<A> | null;
}

const sendVerdicts: readonly SendVerdict[] = ['buffered', 'sent', 'dropped'];

/** The library throws on any use of a closed socket: this wrapper answers 'closed' instead. */
class UwsSocket<A> implements Socket {
  #native: WebSocket<UserData<A>> | null;

  constructor(native: WebSocket<UserData<A>>) {
    this.#native = native;
  }

  get bufferedBytes(): number {
    return this.#native === null ? 0 : this.#native.getBufferedAmount();
  }

  send(payload: Uint8Array, binary: boolean): SendVerdict {
    if (this.#native === null) return 'closed';
    return sendVerdicts[this.#native.send(payload, binary, false)] ?? 'dropped';
  }

  subscribe(topic: string): void {
    this.#native?.subscribe(topic);
  }

  unsubscribe(topic: string): void {
    this.#native?.unsubscribe(topic);
  }

  end(code: number, reason: string): void {
    this.#native?.end(code, reason);
  }

  terminate(): void {
    this.#native?.close();
  }

  detach(): void {
    this.#native = null;
  }
}

const textDecoder = new TextDecoder();

function copyRequest(response: HttpResponse, request: HttpRequest): TransportRequest {
  const headers = new Map<string, string>();
  request.forEach((name, value) => {
    const before = headers.get(name);
    headers.set(name, before === undefined ? value : `${before}, ${value}`);
  });
  return {
    method: request.getCaseSensitiveMethod().toUpperCase(),
    path: request.getUrl(),
    query: request.getQuery() ?? '',
    headers,
    remoteAddress: textDecoder.decode(response.getRemoteAddressAsText()),
  };
}

const statusTexts: ReadonlyMap<number, string> = new Map([
  [200, 'OK'],
  [400, 'Bad Request'],
  [403, 'Forbidden'],
  [404, 'Not Found'],
  [405, 'Method Not Allowed'],
  [409, 'Conflict'],
  [426, 'Upgrade Required'],
  [429, 'Too Many Requests'],
  [500, 'Internal Server Error'],
  [503, 'Service Unavailable'],
]);

/** Answers and closes: one socket carries at most one answer, so that every other end of it is an abandoned request. */
function answer(response: HttpResponse, { status, headers, body }: HttpAnswer): void {
  response.cork(() => {
    response.writeStatus(`${status} ${statusTexts.get(status) ?? 'Error'}`);
    for (const [name, value] of headers) response.writeHeader(name, value);
    response.writeHeader('Connection', 'close');
    response.end(body, true);
  });
}

/** The library reports its own reasons for cutting a connection as the text of a close with code 1006. */
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
    app.ws<UserData<A>>(options.path, {
      maxPayloadLength: options.hardMessageBytes,
      maxBackpressure: options.maxBackpressureBytes,
      idleTimeout: options.idleTimeoutSeconds,
      sendPingsAutomatically: true,
      closeOnBackpressureLimit: false,
      // 0 is the library's DISABLED, whose value its declarations give as a type only.
      compression: 0,
      upgrade: (response, request, context) => this.#upgrade(response, copyRequest(response, request), context),
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
      dropped: (native) => this.#guard(() => events.dropped(native.getUserData().attachment)),
      close: (native, code, message) => {
        const data = native.getUserData();
        data.socket?.detach();
        if (this.#closed) return;
        const reason = textDecoder.decode(message);
        const cause = closeCause(code, reason);
        this.#guard(() => events.close(data.attachment, code, cause === 'closed' ? reason : '', cause));
      },
    });
    app.any('/*', (response, request) => {
      const copy = copyRequest(response, request);
      this.#guard(() => this.#answer(response, events.request(copy)));
    });
  }

  get handle(): unknown {
    return this.#app.getDescriptor();
  }

  adopt(descriptor: number): void {
    this.#app.adoptSocket(descriptor);
  }

  publish(topic: string, payload: Uint8Array, binary: boolean): void {
    this.#app.publish(topic, payload, binary, false);
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

  #upgrade(response: HttpResponse, request: TransportRequest, context: Parameters<HttpResponse['upgrade']>[4]): void {
    let aborted = false;
    const settle = (decision: UpgradeDecision<A>): void => {
      if (aborted || this.#closed) {
        if (decision.accept) this.#guard(() => this.#events.discarded(decision.attachment));
        return;
      }
      if (!decision.accept) {
        this.#answer(response, decision.answer);
        return;
      }
      const data: UserData<A> = { attachment: decision.attachment, socket: null };
      const key = request.headers.get('sec-websocket-key') ?? '';
      response.cork(() => response.upgrade(data, key, decision.subprotocol ?? '', '', context));
    };
    try {
      const decision = this.#events.upgrade(request);
      if (!(decision instanceof Promise)) {
        settle(decision);
        return;
      }
      response.onAborted(() => {
        aborted = true;
      });
      decision.then(settle, (error: unknown) => this.#fail(response, aborted, error));
    } catch (error) {
      this.#fail(response, aborted, error);
    }
  }

  #fail(response: HttpResponse, aborted: boolean, error: unknown): void {
    this.#events.error(error);
    if (aborted || this.#closed) return;
    this.#answer(response, { status: 500, headers: new Map(), body: 'ERR_INTERNAL: the upgrade failed\n' });
  }

  #answer(response: HttpResponse, what: HttpAnswer): void {
    this.#answered += 1;
    answer(response, what);
  }

  #guard(callback: () => void): void {
    try {
      callback();
    } catch (error) {
      this.#events.error(error);
    }
  }
}
