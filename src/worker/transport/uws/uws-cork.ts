import {
  App,
  type HttpResponse,
  type TemplatedApp,
  us_listen_socket_close,
  us_socket_local_port,
} from 'uWebSockets.js';
import { randomBytes } from 'node:crypto';
import { connect, type Socket as TcpSocket } from 'node:net';

const host = '127.0.0.1';
const openMs = 2_000;

/**
 * A request of our own that is never answered. Only its `cork` is used.
 *
 * The library has no good place for an upgrade that is decided later. Inside the cork of its own response the WebSocket
 * may be closed at once, and when the cork ends, the library mistakes the WebSocket's memory for that of the answered
 * request. Outside of any callback of the library the upgrade works, but each one prints a warning to stderr. The
 * library only checks there whether some callback runs in this thread, so the callback of another socket is enough.
 * That socket belongs to an App of its own, on a loopback port that is closed as soon as the socket is connected: no
 * route, event or counter sees it.
 */
export class UwsCork {
  readonly #app: TemplatedApp = App();
  /** A secret, so that no other process on this machine can send a request in its place. */
  readonly #path: string = `/${randomBytes(16).toString('hex')}`;
  #peer: TcpSocket | null = null;
  #response: HttpResponse | null = null;
  #opening: Promise<void> | null = null;
  #opened: () => void = () => undefined;
  #closed = false;
  readonly #listening: (port: number) => void;

  /** `listening` is called with each port that this listens on. */
  constructor(listening: (port: number) => void = () => undefined) {
    this.#listening = listening;
    this.#app.get(this.#path, (response) => {
      response.onAborted(() => {
        if (this.#response === response) this.#response = null;
      });
      this.#response = response;
      this.#opened();
    });
  }

  /** Resolves once `run` can cork, or once it is clear that it cannot. Never rejects. */
  ready(): Promise<void> {
    if (this.#response !== null || this.#closed) return Promise.resolve();
    this.#opening ??= this.#open().finally(() => {
      this.#opening = null;
    });
    return this.#opening;
  }

  /** Calls `callback` at once, inside of the cork if there is one. */
  run(callback: () => void): void {
    if (this.#response === null) callback();
    else this.#response.cork(callback);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#response = null;
    this.#opened();
    this.#peer?.destroy();
    this.#app.close();
  }

  #open(): Promise<void> {
    return new Promise((resolve) => {
      this.#app.listen(host, 0, (listening) => {
        if (listening === false) {
          resolve();
          return;
        }
        let finished = false;
        const finish = (): void => {
          if (finished) return;
          finished = true;
          clearTimeout(timer);
          this.#opened = () => undefined;
          // The App has already closed it, if this is the App's end.
          if (!this.#closed) us_listen_socket_close(listening);
          resolve();
        };
        const timer = setTimeout(finish, openMs);
        timer.unref();
        this.#opened = finish;
        const port = us_socket_local_port(listening);
        this.#listening(port);
        const peer = connect(port, host);
        this.#peer?.destroy();
        this.#peer = peer;
        peer.on('error', finish);
        peer.unref();
        peer.write(`GET ${this.#path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
      });
    });
  }
}
