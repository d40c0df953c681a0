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
 * A request of our own that is never answered, for the sake of its `cork`.
 *
 * An upgrade that was decided later has no good place in this library. Inside the cork of its own response it may be
 * closed at once: when the cork ends, the library takes the WebSocket's memory for that of the answered request. Outside
 * of any callback of the library it is sound, but a warning goes to stderr for each. What is looked at there is only
 * whether some callback runs in this thread, so the callback of another socket will do. That socket belongs to an App of
 * its own, on a port of the loopback that is closed again as soon as it is there: no route, event or counter sees it.
 */
export class UwsCork {
  readonly #app: TemplatedApp = App();
  /** Secret, so that nobody else on this machine can put a request of theirs in its place. */
  readonly #path: string = `/${randomBytes(16).toString('hex')}`;
  #peer: TcpSocket | null = null;
  #response: HttpResponse | null = null;
  #opening: Promise<void> | null = null;
  #opened: () => void = () => undefined;
  #closed = false;
  readonly #listening: (port: number) => void;

  /** `listening` is told each port that this listens on. */
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

  /** Resolves once `run` can cork, or it turned out that it cannot. Never rejects. */
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
          // Closed by the App already, if this is the end of it.
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
