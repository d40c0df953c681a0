import { firstUnits } from '../../shared/base/well-formed.ts';
import type { EngineConfig } from '../../shared/config/config.ts';
import { EngineError, refusalOf } from '../../shared/errors/index.ts';
import { type Counters, counter } from '../../shared/memory/counters.ts';
import { outgoingEnvelope } from '../../shared/message/message.ts';
import type { ShardConnection } from '../connection/shard-connection.ts';
import type { HandlerGuard } from '../handlers/handler-guard.ts';
import type { FanOut } from '../outbound/fan-out.ts';

export interface RepliesOptions {
  readonly config: EngineConfig;
  readonly counters: Counters;
  readonly fanOut: FanOut;
  readonly guard: HandlerGuard;
}

const typeLimit = 64;

/**
 * The answer to a message that was refused because the ring is full. Created once, because it may be sent very often.
 */
export const overloaded: EngineError = refusalOf('ERR_OVERLOADED', 'the server is overloaded, try later');

/** Answers clients about their own messages, as the option `replies` says. */
export class Replies {
  readonly #config: EngineConfig;
  readonly #counters: Counters;
  readonly #fanOut: FanOut;
  readonly #guard: HandlerGuard;

  constructor(options: RepliesOptions) {
    this.#config = options.config;
    this.#counters = options.counters;
    this.#fanOut = options.fanOut;
    this.#guard = options.guard;
  }

  /** The command of this type was carried out. */
  confirm(connection: ShardConnection, type: string, target: string): void {
    if (this.#config.replies === 'all') this.#reply(connection, 'ok', { for: type, target });
  }

  /** What a message of this type asked for is not done. */
  refuse(connection: ShardConnection, type: string, error: unknown): void {
    this.#counters.add(counter.controlRefused, 1);
    const known = error instanceof EngineError;
    // Any other error is the engine's own fault. It is logged, and the client gets no details.
    if (!known) this.#guard.fault('control', connection, error);
    this.replyError(connection, type, known ? error.code : 'ERR_INTERNAL', known ? error.message : 'internal error');
  }

  replyError(connection: ShardConnection, type: string, code: string, message: string): void {
    if (this.#config.replies === 'off') return;
    this.#reply(connection, 'error', { code, message, for: firstUnits(type, typeLimit) });
  }

  #reply(connection: ShardConnection, type: string, data: { readonly [key: string]: string }): void {
    if (connection.isOpen) this.#fanOut.sendEnvelope(connection, outgoingEnvelope({ type, data }, type));
  }
}
