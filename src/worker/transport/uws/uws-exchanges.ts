import type { HttpResponse } from 'uWebSockets.js';
import type { GuardedEvents } from '../guarded-events.ts';
import type { Exchange, HttpAnswer, TransportRequest } from '../transport.ts';
import { answer } from './uws-http.ts';

/** A request without an answer. */
export interface OpenExchange extends Exchange {
  /** It will not get an answer: its socket has ended. */
  over: boolean;
}

/**
 * Requests and their answers. Only an upgrade is answered before the library has parsed all bytes of the packet. So the
 * library finds a second request while the first is unanswered, and cuts the connection. If the first were answered at
 * once, the library would serve the second one too.
 */
export class UwsExchanges<A> {
  readonly #events: GuardedEvents<A>;
  /** Counts answered and ended sockets, to tell the ones that ended without an answer. */
  #answered = 0;

  constructor(events: GuardedEvents<A>) {
    this.#events = events;
  }

  begin(response: HttpResponse): OpenExchange {
    const exchange: OpenExchange = { over: false, onGone: null };
    response.onAborted(() => {
      exchange.over = true;
      const { onGone } = exchange;
      exchange.onGone = null;
      if (onGone !== null) this.#events.guard(onGone);
    });
    return exchange;
  }

  /** A request that is no upgrade. */
  request(response: HttpResponse, request: TransportRequest): void {
    const exchange = this.begin(response);
    const settle = (what: HttpAnswer): void => {
      if (!this.isLost(exchange)) this.answer(response, what);
    };
    try {
      const what = this.#events.to.request(request);
      if (what instanceof Promise) what.then(settle, (error: unknown) => this.fail(response, exchange, error));
      else setImmediate(settle, what);
    } catch (error) {
      this.fail(response, exchange, error);
    }
  }

  /** The client has left: nothing can be answered. */
  isLost(exchange: OpenExchange): boolean {
    return exchange.over || this.#events.closed;
  }

  /** Not to be called inside of the request's callback. */
  answer(response: HttpResponse, what: HttpAnswer): void {
    this.#answered += 1;
    answer(response, what);
  }

  /** The code that decides has thrown. */
  fail(response: HttpResponse, exchange: OpenExchange, error: unknown): void {
    this.#events.to.error(error);
    setImmediate(() => {
      if (this.isLost(exchange)) return;
      this.answer(response, { status: 500, headers: new Map(), body: 'ERR_INTERNAL: the request failed\n' });
    });
  }

  /** A socket that is no WebSocket has ended. */
  ended(): void {
    if (this.#answered > 0) this.#answered -= 1;
    else this.#events.to.abandoned();
  }
}
