import type { UpgradeRequest } from '../handlers/api.ts';
import type { TransportRequest } from '../transport/transport.ts';
import { parseCookies } from './cookies.ts';

/** What the handshake's checks have found out besides. */
export interface UpgradeFacts {
  readonly remoteAddress: string;
  readonly name: string;
  readonly subprotocols: readonly string[];
}

/** A handshake as the `upgrade` handler sees it. Fields that few handlers use are computed on first access. */
export class HandshakeRequest implements UpgradeRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly remoteAddress: string;
  readonly name: string;
  readonly subprotocols: readonly string[];
  readonly #rawQuery: string;
  readonly #cookieHeader: string | undefined;
  #query: URLSearchParams | null = null;
  #cookies: ReadonlyMap<string, string> | null = null;
  #controller: AbortController | null = null;
  /** Why the answer is no longer awaited; null: it is. */
  #abortReason: Error | null = null;

  constructor(request: TransportRequest, facts: UpgradeFacts) {
    this.method = request.method;
    this.path = request.path;
    this.headers = request.headers;
    this.remoteAddress = facts.remoteAddress;
    this.name = facts.name;
    this.subprotocols = facts.subprotocols;
    this.#rawQuery = request.query;
    this.#cookieHeader = request.headers.get('cookie');
  }

  get origin(): string | undefined {
    return this.headers.get('origin');
  }

  get query(): URLSearchParams {
    this.#query ??= new URLSearchParams(this.#rawQuery);
    return this.#query;
  }

  get cookies(): ReadonlyMap<string, string> {
    this.#cookies ??= parseCookies(this.#cookieHeader);
    return this.#cookies;
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#abortReason !== null) this.#controller.abort(this.#abortReason);
    return this.#controller.signal;
  }

  abort(reason: Error): void {
    this.#abortReason = reason;
    this.#controller?.abort(reason);
  }
}
