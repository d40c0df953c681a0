import type { HttpResponse, WebSocket } from 'uWebSockets.js';

/**
 * After `resume` the library gives a socket 8 to 12 s to send something, as with a request. This period renews that
 * time while the socket is open: the heartbeat decides which connections are dead.
 */
const renewMs = 4_000;

/**
 * Stops and starts the reading of WebSockets. The library offers this only for a response to a request, but it acts on
 * the socket, whichever protocol it speaks. So the methods of a response are called on a WebSocket. Both kinds of
 * objects hold the socket's address in the same place, and nothing once it is closed; the methods check that.
 */
export class UwsReading {
  #pause: HttpResponse['pause'] | null = null;
  #resume: HttpResponse['resume'] | null = null;
  /** Sockets that were resumed at some time. */
  readonly #resumed = new Set<WebSocket<unknown>>();
  #timer: NodeJS.Timeout | null = null;

  /**
   * Apps with and without TLS have different methods. They are taken from the first response of an App, on which they are
   * called as well: the library has nothing to restore for a socket without waiting bytes before one was paused.
   */
  learn(response: HttpResponse): void {
    if (this.#pause !== null) return;
    this.#pause = response.pause;
    this.#resume = response.resume;
    response.pause();
    response.resume();
  }

  /** `socket` must be open. */
  pause(socket: WebSocket<unknown>): void {
    this.#pause?.call(socket as unknown as HttpResponse);
    this.#resumed.delete(socket);
  }

  /**
   * `socket` must be open. The library restores what it was polling for when *some* socket was last paused: it keeps one
   * value per thread for sockets with waiting bytes and one for those without. If bytes have come to wait since the
   * pause, the value may be missing, and then the socket would be polled for nothing, not even for its end. A failed
   * write has set such a socket reading again: one more pause keeps the right value.
   */
  resume(socket: WebSocket<unknown>): void {
    if (this.#resume === null) return;
    this.#pause?.call(socket as unknown as HttpResponse);
    this.#resume.call(socket as unknown as HttpResponse);
    this.#resumed.add(socket);
    this.#timer ??= setTimeout(this.#renew, renewMs).unref();
  }

  /** The socket is closed or ending: the library has a timeout of its own for that. */
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
    for (const socket of sockets) this.resume(socket);
  };
}
