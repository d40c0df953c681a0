import type { HttpResponse } from 'uWebSockets.js';
import { canonicalAddress } from '../../../shared/base/ip-address.ts';
import type { GuardedEvents } from '../guarded-events.ts';
import type { TransportRequest, UpgradeDecision } from '../transport.ts';
import type { SocketLedger } from './socket-ledger.ts';
import { UwsCork } from './uws-cork.ts';
import type { UwsExchanges } from './uws-exchanges.ts';
import type { UserData } from './uws-web-sockets.ts';

type UpgradeContext = Parameters<HttpResponse['upgrade']>[4];

/**
 * Upgrade requests. The owner decides, at once or later; then the library upgrades the request, or the client is
 * refused.
 */
export class UwsUpgrades<A> {
  readonly #events: GuardedEvents<A>;
  readonly #exchanges: UwsExchanges<A>;
  readonly #ledger: SocketLedger<A>;
  /** For upgrades that are decided later; null: there was none so far. */
  #cork: UwsCork | null = null;

  constructor(events: GuardedEvents<A>, exchanges: UwsExchanges<A>, ledger: SocketLedger<A>) {
    this.#events = events;
    this.#exchanges = exchanges;
    this.#ledger = ledger;
  }

  /** `extensions`: the offer that the library must answer, '' for none. */
  decide(response: HttpResponse, request: TransportRequest, context: UpgradeContext, extensions: string): void {
    const exchange = this.#exchanges.begin(response);
    // Read now, because the decider may keep the request and change it.
    const key = request.headers.get('sec-websocket-key') ?? '';
    const peer = canonicalAddress(request.remoteAddress) ?? request.remoteAddress;
    const settle = (decision: UpgradeDecision<A>): void => {
      if (this.#exchanges.isLost(exchange)) {
        if (decision.accept) this.#events.guard(() => this.#events.to.discarded(decision.attachment));
        return;
      }
      exchange.onGone = null;
      if (!decision.accept) {
        this.#exchanges.answer(response, decision.answer);
        return;
      }
      const data: UserData<A> = {
        attachment: decision.attachment,
        peer,
        socket: null,
        dropped: 0,
        sendsDropped: 0,
        reportsDrops: false,
      };
      // Never inside of the response's own `cork`, see UwsCork.
      response.upgrade(data, key, decision.subprotocol ?? '', extensions, context);
    };
    const settleLater = (decision: UpgradeDecision<A>): void | Promise<void> => {
      if (!decision.accept || this.#exchanges.isLost(exchange)) return settle(decision);
      this.#cork ??= new UwsCork((port) => this.#ledger.ignore(port));
      const cork = this.#cork;
      return cork.ready().then(() => cork.run(() => settle(decision)));
    };
    const fail = (error: unknown): void => this.#exchanges.fail(response, exchange, error);
    try {
      const decision = this.#events.to.upgrade(request, exchange);
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

  close(): void {
    this.#cork?.close();
  }
}
