import type { EngineConfig } from '../../shared/config/config.ts';
import type { ErrorCode } from '../../shared/errors/index.ts';
import type { Admission, ConnectionTally } from '../../shared/memory/connection-tally.ts';
import { type Counters, counter } from '../../shared/memory/counters.ts';
import type { StateBoard } from '../../shared/memory/engine-memory.ts';
import type { Vitals } from '../../shared/memory/vitals.ts';
import type { ConnectionIds } from '../../shared/message/connection-id.ts';
import { type ConnectionPort, ShardConnection } from '../connection/shard-connection.ts';
import type { ShardLog } from '../handlers/shard-log.ts';
import type { Exchange, HttpAnswer, TransportRequest, UpgradeDecision } from '../transport/transport.ts';
import type { HeapBrake } from '../upkeep/heap-brake.ts';
import { certificateRefusal, checkHandshake, type Handshake, refusal } from './check-handshake.ts';
import { createFindClient, type FindClient } from './client-address.ts';
import { type CheckHost, createHostCheck } from './host-check.ts';
import type { MetricsProxy } from './metrics-proxy.ts';
import { answerRequest, isHealthPath, isReading } from './pages.ts';
import { Refusals } from './refusals.ts';
import type { UpgradeHook, UpgradeVerdict } from './upgrade-hook.ts';

export interface HandshakesOptions {
  readonly shard: number;
  readonly ids: ConnectionIds;
  readonly config: EngineConfig;
  readonly counters: Counters;
  readonly vitals: Vitals;
  readonly board: StateBoard;
  readonly log: ShardLog;
  readonly hook: UpgradeHook;
  /** Null: connections are not limited. */
  readonly tally: ConnectionTally | null;
  readonly metrics: MetricsProxy;
  /** Null: the heap is not watched. */
  readonly heapBrake: HeapBrake | null;
  /** Of every connection. */
  readonly port: ConnectionPort;
  /** Whether the shard takes no connections any more. */
  isLeaving(): boolean;
}

type Decision = UpgradeDecision<ShardConnection>;

const shuttingDown = refusal('ERR_SHUTTING_DOWN', 'this server is shutting down', [['Retry-After', '1']]);

const fullAnswers: Readonly<Record<Exclude<Admission, 'admitted'>, readonly [ErrorCode, string, number]>> = {
  full: ['ERR_LIMIT_CONNECTIONS', 'this server has as many connections as it may', counter.limitConnections],
  'address-full': [
    'ERR_LIMIT_CONNECTIONS_PER_ADDRESS',
    'too many connections from this address',
    counter.limitConnectionsPerAddress,
  ],
};
const fullRetrySeconds = '5';

const heapFull = refusal('ERR_LIMIT_HEAP', 'this server has no room for another connection', [
  ['Retry-After', fullRetrySeconds],
]);

/** Upper bound of the memory that one handshake brings, and that a connection keeps of it. */
const handshakeBytes = 4_096;

/** The HTTP half of a shard: answers requests, and decides which handshakes become connections. */
export class Handshakes {
  readonly #options: HandshakesOptions;
  readonly #config: EngineConfig;
  readonly #counters: Counters;
  readonly #findClient: FindClient;
  readonly #checkHost: CheckHost;
  readonly #refusals: Refusals;

  constructor(options: HandshakesOptions) {
    this.#options = options;
    this.#config = options.config;
    this.#counters = options.counters;
    this.#findClient = createFindClient(options.config.trustProxy);
    this.#checkHost = createHostCheck(options.config);
    this.#refusals = new Refusals(options.counters, options.vitals, options.log);
  }

  /** A request that is no handshake. */
  answerPlainRequest(request: TransportRequest): HttpAnswer | Promise<HttpAnswer> {
    this.#counters.add(counter.httpRequests, 1);
    const { address, forwarded } = this.#findClient(request);
    const unwanted =
      certificateRefusal(request) ??
      (isHealthPath(request.path, this.#config) ? null : this.#checkHost(request, forwarded));
    if (unwanted !== null) return this.#refusePlainRequest(request, unwanted, address);
    const { metrics } = this.#config;
    if (metrics !== false && request.path === metrics.path && isReading(request)) {
      return this.#options.metrics.answer(request);
    }
    const answer = answerRequest(request, this.#config, this.#options.board.engine);
    if (answer === null) {
      const verdict = checkHandshake(request, this.#config, forwarded);
      // The request passed every check, so only the first of its `Connection` lines kept it from being an upgrade.
      const text = 'the first Connection header does not ask for an upgrade';
      const refused = verdict.ok ? refusal('ERR_HANDSHAKE_CONNECTION', text) : verdict.answer;
      return this.#refusePlainRequest(request, refused, address);
    }
    if (answer.code !== undefined) this.#refusals.count(answer);
    return answer;
  }

  /** Logs only requests that seem to be meant as a handshake. */
  #refusePlainRequest(request: TransportRequest, answer: HttpAnswer, address: string): HttpAnswer {
    if (request.path === this.#config.path || request.headers.has('upgrade')) {
      this.#refusals.countAndLog(answer, request, address);
    } else {
      this.#refusals.count(answer);
    }
    return answer;
  }

  /** A handshake. The cheap checks come first; the `upgrade` handler is asked last. */
  decideUpgrade(request: TransportRequest, exchange: Exchange): Decision | Promise<Decision> {
    const { address, forwarded } = this.#findClient(request);
    if (this.#isEnding) return this.#refuseUpgrade(request, shuttingDown, address);
    const { heapBrake, hook, tally, shard } = this.#options;
    heapBrake?.grew(handshakeBytes);
    if (heapBrake?.isOn === true) {
      this.#counters.add(counter.heapRefused, 1);
      return this.#refuseUpgrade(request, heapFull, address);
    }
    const unwanted = certificateRefusal(request) ?? this.#checkHost(request, forwarded);
    if (unwanted !== null) return this.#refuseUpgrade(request, unwanted, address);
    const checked = checkHandshake(request, this.#config, forwarded);
    if (!checked.ok) return this.#refuseUpgrade(request, checked.answer, address);
    const admission = tally?.enter(shard, address) ?? 'admitted';
    if (admission !== 'admitted') return this.#refuseFull(request, admission, address);
    const { handshake } = checked;
    const verdict = hook.askUpgrade({ request, exchange, handshake, remoteAddress: address });
    if (verdict instanceof Promise) return verdict.then((late) => this.#concludeUpgrade(request, late, address));
    return this.#concludeUpgrade(request, verdict, address);
  }

  #concludeUpgrade(request: TransportRequest, verdict: UpgradeVerdict, address: string): Decision {
    if (verdict.is === 'accepted' && !this.#isEnding) {
      return this.#acceptUpgrade(verdict.handshake, verdict.metadata, address);
    }
    this.#options.tally?.leave(this.#options.shard, address);
    // A client that is gone gets no answer: it is counted as abandoned.
    if (verdict.is === 'gone') return { accept: false, answer: shuttingDown };
    return this.#refuseUpgrade(request, verdict.is === 'refused' ? verdict.answer : shuttingDown, address);
  }

  #acceptUpgrade(handshake: Handshake, metadata: Record<string, unknown> | null, remoteAddress: string): Decision {
    const { subprotocol, ...settled } = handshake;
    const facts = { id: this.#options.ids.next(), remoteAddress, metadata, ...settled };
    return { accept: true, attachment: new ShardConnection(facts, this.#options.port), subprotocol };
  }

  #refuseUpgrade(request: TransportRequest, answer: HttpAnswer, address: string): Decision {
    this.#refusals.countAndLog(answer, request, address);
    return { accept: false, answer };
  }

  #refuseFull(request: TransportRequest, admission: Exclude<Admission, 'admitted'>, address: string): Decision {
    const [code, text, count] = fullAnswers[admission];
    this.#counters.add(count, 1);
    return this.#refuseUpgrade(request, refusal(code, text, [['Retry-After', fullRetrySeconds]]), address);
  }

  /** The client of an accepted handshake left before the answer: the connection will not be opened. */
  discardAccepted(connection: ShardConnection): void {
    this.#options.tally?.leave(this.#options.shard, connection.remoteAddress);
  }

  /** The shard takes no connections any more: refuses the handshakes that wait for the `upgrade` handler. */
  refuseUndecided(): void {
    this.#options.hook.refuseAll(shuttingDown);
  }

  /** No request comes any more. */
  close(): void {
    this.#refusals.close();
  }

  get #isEnding(): boolean {
    return this.#options.board.engine === 'draining' || this.#options.isLeaving();
  }
}
