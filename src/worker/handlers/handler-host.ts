import { isThenable } from '../../shared/base/thenable.ts';
import type { Envelope } from '../../shared/codec/index.ts';
import { receivedMessage } from '../../shared/message/message.ts';
import type { Action, Connection, Handlers, ShardApi, UpgradeRequest, UpgradeResult } from './api.ts';
import type { HandlerGuard } from './handler-guard.ts';
import { type HandlerConfig, loadHandlers } from './load-handlers.ts';

/**
 * The handler module of this shard: the only place that calls its handlers. What they throw goes to the guard. Without a
 * module, or until it is loaded, every call does what the absence of that handler means.
 */
export class HandlerHost {
  readonly #guard: HandlerGuard;
  #handlers: Handlers = {};

  constructor(guard: HandlerGuard) {
    this.#guard = guard;
  }

  /** Loads the handler module. Throws `ERR_HANDLERS_INVALID`. Call it before the first connection. */
  async loadModule(config: HandlerConfig, shard: ShardApi): Promise<void> {
    this.#handlers = await loadHandlers(config, shard);
  }

  get hasUpgrade(): boolean {
    return this.#handlers.upgrade !== undefined;
  }

  /** Throws what the handler throws: the caller also checks the result, and gives both to `upgradeFailed`. */
  callUpgrade(request: UpgradeRequest): UpgradeResult | PromiseLike<UpgradeResult> {
    return this.#handlers.upgrade?.(request);
  }

  /** The `upgrade` handler threw or rejected, or its result is wrong. */
  upgradeFailed(error: unknown): void {
    this.#guard.failed('upgrade', null, error);
  }

  /** A promise, which never rejects, if the handler is asynchronous. */
  callConnect(connection: Connection): Promise<void> | undefined {
    const handlers = this.#handlers;
    const { connect } = handlers;
    if (connect === undefined) return undefined;
    return this.#guard.run('connect', connection, () => connect.call(handlers, connection));
  }

  /** False: nobody handles messages. The handler gets a copy of the data. */
  callMessage(connection: Connection, envelope: Envelope): boolean {
    const handlers = this.#handlers;
    const { message } = handlers;
    if (message === undefined) return false;
    const received = receivedMessage(envelope);
    this.#guard.run('message', connection, () => message.call(handlers, connection, received));
    return true;
  }

  /**
   * Whether the handler allows it; undefined: there is no such handler. A throw, a rejection, and any result other than
   * `true` mean no. A promise never rejects.
   */
  callAuthorize(connection: Connection, action: Action, target: string): boolean | Promise<boolean> | undefined {
    const handlers = this.#handlers;
    if (handlers.authorize === undefined) return undefined;
    try {
      const verdict = handlers.authorize(connection, action, target);
      if (!isThenable(verdict)) return verdict === true;
      return Promise.resolve(verdict).then(
        (allowed) => allowed === true,
        (error: unknown) => this.#authorizeFailed(connection, error),
      );
    } catch (error) {
      return this.#authorizeFailed(connection, error);
    }
  }

  #authorizeFailed(connection: Connection, error: unknown): false {
    this.#guard.failed('authorize', connection, error);
    return false;
  }

  callSlow(connection: Connection, dropped: number): void {
    const handlers = this.#handlers;
    const { slow } = handlers;
    if (slow === undefined) return;
    this.#guard.run('slow', connection, () => slow.call(handlers, connection, dropped));
  }

  callDisconnect(connection: Connection, code: number, reason: string): void {
    const handlers = this.#handlers;
    const { disconnect } = handlers;
    if (disconnect === undefined) return;
    this.#guard.run('disconnect', connection, () => disconnect.call(handlers, connection, code, reason));
  }

  /** An error that no caller saw, such as the rejection of a promise that nobody awaits. */
  reportStray(error: unknown): void {
    this.#guard.failed('stray', null, error);
  }
}
