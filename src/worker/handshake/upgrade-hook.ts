import { subscriberOf } from '../../shared/base/ip-address.ts';
import { isThenable } from '../../shared/base/thenable.ts';
import type { EngineConfig } from '../../shared/config/config.ts';
import { EngineError } from '../../shared/errors/index.ts';
import { type Counters, counter } from '../../shared/memory/counters.ts';
import type { UpgradeAcceptance, UpgradeResult } from '../handlers/api.ts';
import type { HandlerHost } from '../handlers/handler-host.ts';
import { answerOfRejection } from '../handlers/rejection.ts';
import type { Exchange, HttpAnswer, TransportRequest } from '../transport/transport.ts';
import { agreeOn, type Handshake, maxNameLength, offeredSubprotocols, refusal } from './check-handshake.ts';
import { HandshakeRequest } from './upgrade-request.ts';

/** What became of a handshake; `gone`: its client has left, and nobody is there to be answered. */
export type UpgradeVerdict =
  | { readonly is: 'accepted'; readonly handshake: Handshake; readonly metadata: Record<string, unknown> | null }
  | { readonly is: 'refused'; readonly answer: HttpAnswer }
  | { readonly is: 'gone' };

export interface UpgradeHookOptions {
  readonly config: EngineConfig;
  readonly counters: Counters;
  readonly handlers: HandlerHost;
}

/** A handshake, with the results of the engine's own checks. */
export interface Candidate {
  readonly request: TransportRequest;
  readonly exchange: Exchange;
  readonly handshake: Handshake;
  readonly remoteAddress: string;
}

const gone: UpgradeVerdict = { is: 'gone' };
const resultKeys = ['metadata', 'name', 'subprotocol'];

function refused(...parts: Parameters<typeof refusal>): UpgradeVerdict {
  return { is: 'refused', answer: refusal(...parts) };
}

function invalid(what: string, path?: string): EngineError {
  const allowed = 'true, false, undefined, reject(…) or an object with metadata, name or subprotocol';
  return new EngineError('ERR_UPGRADE_RESULT_INVALID', `the upgrade handler's result is wrong: ${what}`, {
    allowed,
    ...(path === undefined ? {} : { path }),
  });
}

/** Checks an acceptance. Throws `ERR_UPGRADE_RESULT_INVALID`, or what a getter of the result throws. */
function checkAcceptance(result: object): UpgradeAcceptance {
  const prototype: unknown = Object.getPrototypeOf(result);
  // An array, a Map or an Error is a mistake, and must not accept a handshake.
  if (prototype !== Object.prototype && prototype !== null) throw invalid('it is no plain object');
  for (const key of Object.keys(result)) {
    if (!resultKeys.includes(key)) throw invalid(`it has nothing called "${key.slice(0, 80)}"`, key.slice(0, 80));
  }
  const { metadata, name, subprotocol } = result as UpgradeAcceptance;
  if (metadata !== undefined && (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata))) {
    throw invalid('"metadata" is no object', 'metadata');
  }
  if (name !== undefined && (typeof name !== 'string' || name.length > maxNameLength)) {
    throw invalid(`"name" is no string of at most ${maxNameLength} characters`, 'name');
  }
  if (name !== undefined && !name.isWellFormed()) {
    throw invalid('"name" has half of a surrogate pair, which no text in UTF-8 has', 'name');
  }
  if (subprotocol !== undefined && typeof subprotocol !== 'string') {
    throw invalid('"subprotocol" is no string', 'subprotocol');
  }
  return {
    ...(metadata === undefined ? {} : { metadata }),
    ...(name === undefined ? {} : { name }),
    ...(subprotocol === undefined ? {} : { subprotocol }),
  };
}

/** Asks the `upgrade` handler of the handler module, and waits for its answer within bounds. */
export class UpgradeHook {
  readonly #config: EngineConfig;
  readonly #counters: Counters;
  readonly #handlers: HandlerHost;
  /** Ends the wait for each handshake that is being decided. */
  readonly #waiting = new Set<(verdict: UpgradeVerdict, reason: Error) => void>();
  /** How many of them each address has; only those that have some. */
  readonly #waitingOf = new Map<string, number>();

  constructor({ config, counters, handlers }: UpgradeHookOptions) {
    this.#config = config;
    this.#counters = counters;
    this.#handlers = handlers;
  }

  /** Never rejects. A promise only if the handler gave one. */
  askUpgrade(candidate: Candidate): UpgradeVerdict | Promise<UpgradeVerdict> {
    const { request, handshake, remoteAddress } = candidate;
    if (!this.#handlers.hasUpgrade) return { is: 'accepted', handshake, metadata: null };
    if (this.#waiting.size >= this.#config.limits.pendingHandshakes) {
      this.#counters.add(counter.limitHandshakes, 1);
      return refused('ERR_LIMIT_HANDSHAKES', 'too many handshakes are being decided', [['Retry-After', '1']]);
    }
    if ((this.#waitingOf.get(subscriberOf(remoteAddress)) ?? 0) >= this.#config.limits.pendingHandshakesPerAddress) {
      this.#counters.add(counter.limitHandshakesPerAddress, 1);
      const text = 'too many handshakes from this address are being decided';
      return refused('ERR_LIMIT_HANDSHAKES_PER_ADDRESS', text, [['Retry-After', '1']]);
    }
    const { name } = handshake;
    const facts = new HandshakeRequest(request, { remoteAddress, name, subprotocols: offeredSubprotocols(request) });
    try {
      const result = this.#handlers.callUpgrade(facts);
      return isThenable(result) ? this.#awaitResult(result, facts, candidate) : this.#readResult(result, candidate);
    } catch (error) {
      return this.#failed(error);
    }
  }

  /** Nobody connects here any more: ends every wait with an answer. */
  refuseAll(answer: HttpAnswer): void {
    for (const endWait of [...this.#waiting]) endWait({ is: 'refused', answer }, new Error('the server is ending'));
  }

  #awaitResult(
    result: PromiseLike<UpgradeResult>,
    facts: HandshakeRequest,
    candidate: Candidate,
  ): UpgradeVerdict | Promise<UpgradeVerdict> {
    const { exchange } = candidate;
    const address = subscriberOf(candidate.remoteAddress);
    return new Promise((resolve) => {
      const conclude = (verdict: UpgradeVerdict): boolean => {
        if (!this.#waiting.delete(endWait)) return false;
        this.#countAddress(address, -1);
        clearTimeout(timer);
        exchange.onGone = null;
        resolve(verdict);
        return true;
      };
      const endWait = (verdict: UpgradeVerdict, reason: Error): void => {
        if (conclude(verdict)) facts.abort(reason);
      };
      const timer = setTimeout(() => {
        this.#counters.add(counter.handshakesTimedOut, 1);
        const text = 'the handshake took too long to decide';
        endWait(refused('ERR_HANDSHAKE_TIMEOUT', text, [['Retry-After', '1']]), new Error(text));
      }, this.#config.limits.handshakeMs);
      this.#waiting.add(endWait);
      this.#countAddress(address, 1);
      exchange.onGone = () => endWait(gone, new Error('the client has left'));
      // What comes after the end of the wait is too late to matter, errors included: the handler was told to stop.
      Promise.resolve(result).then(
        (value) => {
          if (this.#waiting.has(endWait)) conclude(this.#readResult(value, candidate));
        },
        (error: unknown) => {
          if (this.#waiting.has(endWait)) conclude(this.#failed(error));
        },
      );
    });
  }

  #countAddress(address: string, change: number): void {
    const count = (this.#waitingOf.get(address) ?? 0) + change;
    if (count > 0) this.#waitingOf.set(address, count);
    else this.#waitingOf.delete(address);
  }

  #readResult(result: UpgradeResult, { request, handshake }: Candidate): UpgradeVerdict {
    try {
      if (result === undefined || result === true) return { is: 'accepted', handshake, metadata: null };
      if (result === false) {
        this.#counters.add(counter.upgradesRejected, 1);
        return refused('ERR_HANDSHAKE_REFUSED', 'not allowed');
      }
      if (typeof result !== 'object' || result === null) throw invalid(`it is a ${typeof result}`);
      const answer = answerOfRejection(result);
      if (answer !== null) {
        this.#counters.add(counter.upgradesRejected, 1);
        return { is: 'refused', answer };
      }
      return this.#acceptResult(checkAcceptance(result), request, handshake);
    } catch (error) {
      return this.#failed(error);
    }
  }

  #acceptResult(acceptance: UpgradeAcceptance, request: TransportRequest, handshake: Handshake): UpgradeVerdict {
    const { metadata, name = handshake.name, subprotocol } = acceptance;
    // Without a prototype: keys often come from clients.
    const own = metadata === undefined ? null : Object.assign(Object.create(null) as Record<string, unknown>, metadata);
    if (subprotocol === undefined) return { is: 'accepted', handshake: { ...handshake, name }, metadata: own };
    const agreed = agreeOn(subprotocol, request, this.#config);
    if (agreed === null) throw invalid('"subprotocol" was not offered, or is none that is served here', 'subprotocol');
    if (!agreed.ok) return { is: 'refused', answer: agreed.answer };
    return { is: 'accepted', handshake: { ...agreed.handshake, name }, metadata: own };
  }

  #failed(error: unknown): UpgradeVerdict {
    this.#handlers.upgradeFailed(error);
    return refused('ERR_INTERNAL', 'the handshake could not be decided');
  }
}
