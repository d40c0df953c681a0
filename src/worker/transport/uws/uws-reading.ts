import type { HttpResponse, WebSocket } from 'uWebSockets.js';

/**
 * After `resume` the library gives a socket 8 to 12 s to say something, as it does with a request. It is given them again so
 * often, for as long as it is open: the heartbeat decides who is gone.
 */
const renewMs = 4_000;

/**
 * Stops and starts the reading of WebSockets. The library has that for a response to a request only, though what it does
 * there is done to the socket, whatever speaks over it: so the methods of a response are called on a WebSocket. Both kinds
 * of objects hold the address of the socket in the same place, and nothing when it is closed, which the methods check.
 */
export class UwsReading {
  #pause: HttpResponse['pause'] | null = null;
  #resume: HttpResponse['resume'] | null = null;
  /** Those that were resumed at some time. */
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
    this.#timer ??= setTimeout(this.#renew, renewMs).unref();
  }

  /** The socket is closed, or its end was begun: the library gives that a time of its own. */
  forget(socket: WebSocket<unknown>): void {
    this.#resumed.delete(socket);
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#resumed.clear();
  }

  readonly #renew = (): void => {
    this.#timer = null;
    const sockets = [...this.#resumed];
    this.#resumed.clear();
    for (const socket of sockets) {
      this.pause(socket);
      this.resume(socket);
    }
  };
}
