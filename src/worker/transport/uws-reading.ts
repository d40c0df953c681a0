import type { HttpResponse, WebSocket } from 'uWebSockets.js';

/** After `resume` the library gives a silent socket 8 to 12 s. A pong, or whatever else comes, gives it its own time back. */
const pingAfterMs = 4_000;

/**
 * Stops and starts the reading of WebSockets. The library has that for a response to a request only, though what it does
 * there is done to the socket, whatever speaks over it: so the methods of a response are called on a WebSocket. Both kinds
 * of objects hold the address of the socket in the same place, and nothing when it is closed, which the methods check.
 */
export class UwsReading {
  #pause: HttpResponse['pause'] | null = null;
  #resume: HttpResponse['resume'] | null = null;
  /** Those that are still to show that they are there. */
  readonly #resumed = new Set<WebSocket<unknown>>();
  #timer: NodeJS.Timeout | null = null;

  /** Each kind of App, with and without TLS, has methods of its own: they are taken from its first response. */
  learn(response: HttpResponse): void {
    if (this.#pause !== null) return;
    this.#pause = response.pause;
    this.#resume = response.resume;
  }

  /** `socket` must be open. */
  pause(socket: WebSocket<unknown>): void {
    this.#pause?.call(socket as unknown as HttpResponse);
    this.#resumed.delete(socket);
  }

  /** `socket` must be open. */
  resume(socket: WebSocket<unknown>): void {
    if (this.#resume === null) return;
    this.#resume.call(socket as unknown as HttpResponse);
    this.#resumed.add(socket);
    this.#timer ??= setTimeout(this.#pingAll, pingAfterMs).unref();
  }

  /** The socket is closed. */
  forget(socket: WebSocket<unknown>): void {
    this.#resumed.delete(socket);
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#resumed.clear();
  }

  readonly #pingAll = (): void => {
    this.#timer = null;
    const sockets = [...this.#resumed];
    this.#resumed.clear();
    for (const socket of sockets) {
      if (socket.getBufferedAmount() === 0) {
        socket.ping();
      } else {
        // It has not read what it was sent: a ping might be one message too many. It is given as long again.
        this.pause(socket);
        this.resume(socket);
      }
    }
  };
}
