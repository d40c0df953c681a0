import type { HttpResponse } from 'uWebSockets.js';
import type { Exchange, HttpAnswer, TransportRequest } from '../transport.ts';
import type { UwsEvents } from './uws-events.ts';
import { answer } from './uws-http.ts';

/** A request without an answer. */
export interface OpenExchange extends Exchange {
  /** It will not get one: its socket has ended. */
  over: boolean;
}

/**
 * Requests and their answers. No answer but that of an upgrade is given before the library has looked at all bytes of the
 * packet. So it finds a second request that follows the first, which is unanswered, and cuts the connection; answered at
 * once, it would serve the second one too.
 */
export class UwsExchanges<A> {
  readonly #events: UwsEvents<A>;
  /** Sockets that end without having been answered are told apart from those that do by counting both. */
  #answered = 0;

  constructor(events: UwsEvents<A>) {
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

  /** Nobody is there any more to be answered. */
  isLost(exchange: OpenExchange): boolean {
    return exchange.over || this.#events.closed;
  }

  /** Not from inside of the request's callback. */
  answer(response: HttpResponse, what: HttpAnswer): void {
    this.#answered += 1;
    answer(response, what);
  }

  /** Whoever was to decide has thrown. */
  fail(response: HttpResponse, exchange: OpenExchange, error: unknown): void {
    this.#events.to.error(error);
    setImmediate(() => {
      if (this.isLost(exchange)) return;
      this.answer(response, { status: 500, headers: new Map(), body: 'ERR_INTERNAL: the request failed\n' });
    });
  }

  /** A socket has ended that is no WebSocket. */
  ended(): void {
    if (this.#answered > 0) this.#answered -= 1;
    else this.#events.to.abandoned();
  }
}
