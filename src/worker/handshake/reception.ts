import { type ConnectNotice, type DisconnectNotice, recordKind } from '../../shared/bus/record.ts';
import type { EngineConfig } from '../../shared/config/config.ts';
import { closeCode, type ErrorCode } from '../../shared/errors/index.ts';
import type { Admission, ConnectionTally } from '../../shared/memory/connection-tally.ts';
import { type Counters, counter } from '../../shared/memory/counters.ts';
import { interest, type StateBoard } from '../../shared/memory/engine-memory.ts';
import type { Vitals } from '../../shared/memory/vitals.ts';
import type { ConnectionIds } from '../../shared/message/connection-id.ts';
import { type ConnectionPort, ShardConnection } from '../connection/shard-connection.ts';
import type { HandlerGuard } from '../handlers/handler-guard.ts';
import type { ShardLog } from '../handlers/shard-log.ts';
import type { Intake } from '../inbound/intake.ts';
import type { FanOut, SealingParts } from '../outbound/fan-out.ts';
import type { Hub } from '../outbound/hub.ts';
import type { Router } from '../outbound/router.ts';
import type {
  CloseCause,
  Exchange,
  HttpAnswer,
  Socket,
  TransportRequest,
  UpgradeDecision,
} from '../transport/transport.ts';
import type { HeapBrake } from '../upkeep/heap-brake.ts';
import type { Watch } from '../upkeep/watch.ts';
import { certificateRefusal, checkHandshake, type Handshake, refusal } from './check-handshake.ts';
import { createFindClient, type FindClient } from './client-address.ts';
import { type CheckHost, createHostCheck } from './host-check.ts';
import type { MetricsDesk } from './metrics-proxy.ts';
import type { NameClaims } from './name-claims.ts';
import { answerRequest, isHealthPath, isReading } from './pages.ts';
import { Refusals } from './refusals.ts';
import type { UpgradeHook, UpgradeVerdict } from './upgrade-hook.ts';

export interface ReceptionOptions {
  readonly shard: number;
  readonly ids: ConnectionIds;
  readonly config: EngineConfig;
  readonly counters: Counters;
  readonly vitals: Vitals;
  readonly board: StateBoard;
  readonly hub: Hub;
  readonly fanOut: FanOut;
  readonly router: Router;
  readonly intake: Intake;
  readonly guard: HandlerGuard;
  readonly log: ShardLog;
  readonly names: NameClaims;
  readonly watch: Watch;
  readonly hook: UpgradeHook;
  /** Null: connections are not limited. */
  readonly tally: ConnectionTally | null;
  readonly metrics: MetricsDesk;
  /** Null: the engine has no `security` option. */
  readonly sealing: SealingParts | null;
  /** Of this shard, by id. The reception puts them there and takes them away. */
  readonly connections: Map<string, ShardConnection>;
  /** Null: nobody looks after the heap. */
  readonly heapBrake: HeapBrake | null;
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

/** What a handshake brings at most, headers and all, and a connection keeps. */
const handshakeBytes = 4_096;

/** Where clients come in and go: handshakes, names, who is told, and what is forgotten at the end. */
export class Reception {
  readonly #options: ReceptionOptions;
  readonly #config: EngineConfig;
  readonly #counters: Counters;
  readonly #board: StateBoard;
  readonly #hub: Hub;
  readonly #sealing: SealingParts | null;
  /** Of every connection: one object, for there are many of them. */
  readonly #port: ConnectionPort;
  readonly #findClient: FindClient;
  readonly #checkHost: CheckHost;
  readonly #refusals: Refusals;

  constructor(options: ReceptionOptions) {
    this.#options = options;
    this.#config = options.config;
    this.#counters = options.counters;
    this.#board = options.board;
    this.#hub = options.hub;
    this.#sealing = options.sealing;
    this.#findClient = createFindClient(options.config.trustProxy);
    this.#checkHost = createHostCheck(options.config);
    this.#refusals = new Refusals(options.counters, options.vitals, options.log);
    this.#port = {
      takesKeys: options.sealing !== null,
      join: (connection, kind, name) => options.hub.join(kind, name, connection),
      leave: (connection, kind, name) => options.hub.leave(kind, name, connection),
      individualize: (connection, become) => options.hub.individualize(connection, become),
      send: (connection, envelope) => options.fanOut.send(connection, envelope),
      beginClose: (connection, code, reason) => {
        options.watch.closings.begin(connection, code, reason);
        options.intake.abandon(connection);
      },
    };
  }

  /** A request that is no handshake. */
  answer(request: TransportRequest): HttpAnswer | Promise<HttpAnswer> {
    this.#counters.add(counter.httpRequests, 1);
    const { address, forwarded } = this.#findClient(request);
    const unwanted =
      certificateRefusal(request) ?? (this.#isForAnyHost(request) ? null : this.#checkHost(request, forwarded));
    if (unwanted !== null) return this.#turnedAway(request, unwanted, address);
    const { metrics } = this.#config;
    if (metrics !== false && request.path === metrics.path && isReading(request)) {
      return this.#options.metrics.answer(request);
    }
    const answer = answerRequest(request, this.#config, this.#board.engine);
    if (answer === null) {
      const verdict = checkHandshake(request, this.#config, forwarded);
      // What passes every check would have been an upgrade, were it not for the first of several `Connection` lines.
      const text = 'the first Connection header asks for something else than an upgrade';
      const refused = verdict.ok ? refusal('ERR_HANDSHAKE_CONNECTION', text) : verdict.answer;
      return this.#turnedAway(request, refused, address);
    }
    if (answer.code !== undefined) this.#refusals.count(answer);
    return answer;
  }

  #isForAnyHost({ path }: TransportRequest): boolean {
    return isHealthPath(path, this.#config);
  }

  /** Of requests that are no handshake by their headers, only those that seem to be meant as one are logged. */
  #turnedAway(request: TransportRequest, answer: HttpAnswer, address: string): HttpAnswer {
    if (request.path === this.#config.path || request.headers.has('upgrade')) {
      this.#refusals.countAndLog(answer, request, address);
    } else {
      this.#refusals.count(answer);
    }
    return answer;
  }

  /** A handshake. */
  upgrade(request: TransportRequest, exchange: Exchange): Decision | Promise<Decision> {
    const { address, forwarded } = this.#findClient(request);
    if (this.#isEnding) return this.#refused(request, shuttingDown, address);
    const { heapBrake } = this.#options;
    heapBrake?.grew(handshakeBytes);
    if (heapBrake?.isOn === true) {
      this.#counters.add(counter.heapRefused, 1);
      return this.#refused(request, heapFull, address);
    }
    const unwanted = certificateRefusal(request) ?? this.#checkHost(request, forwarded);
    if (unwanted !== null) return this.#refused(request, unwanted, address);
    const checked = checkHandshake(request, this.#config, forwarded);
    if (!checked.ok) return this.#refused(request, checked.answer, address);
    const admission = this.#options.tally?.enter(this.#options.shard, address) ?? 'admitted';
    if (admission !== 'admitted') return this.#full(request, admission, address);
    const { handshake } = checked;
    const verdict = this.#options.hook.decide({ request, exchange, handshake, remoteAddress: address });
    if (verdict instanceof Promise) return verdict.then((late) => this.#conclude(request, late, address));
    return this.#conclude(request, verdict, address);
  }

  #conclude(request: TransportRequest, verdict: UpgradeVerdict, address: string): Decision {
    if (verdict.is === 'accepted' && !this.#isEnding) {
      return this.#accepted(verdict.handshake, verdict.metadata, address);
    }
    this.#options.tally?.leave(this.#options.shard, address);
    // To one that is gone nothing is answered: it is counted as abandoned.
    if (verdict.is === 'gone') return { accept: false, answer: shuttingDown };
    return this.#refused(request, verdict.is === 'refused' ? verdict.answer : shuttingDown, address);
  }

  #accepted(handshake: Handshake, metadata: Record<string, unknown> | null, remoteAddress: string): Decision {
    const { subprotocol, ...settled } = handshake;
    const facts = { id: this.#options.ids.next(), remoteAddress, metadata, ...settled };
    return { accept: true, attachment: new ShardConnection(facts, this.#port), subprotocol };
  }

  /** Handshakes that are being decided are not waited for: the shard takes no connections any more. */
  refuseUndecided(): void {
    this.#options.hook.refuseAll(shuttingDown);
  }

  /** One that was accepted has left before it could be told. */
  discarded(connection: ShardConnection): void {
    this.#options.tally?.leave(this.#options.shard, connection.remoteAddress);
  }

  get #isEnding(): boolean {
    return this.#board.engine === 'draining' || this.#options.isLeaving();
  }

  #full(request: TransportRequest, admission: Exclude<Admission, 'admitted'>, address: string): Decision {
    const [code, text, count] = fullAnswers[admission];
    this.#counters.add(count, 1);
    return this.#refused(request, refusal(code, text, [['Retry-After', fullRetrySeconds]]), address);
  }

  #refused(request: TransportRequest, answer: HttpAnswer, address: string): Decision {
    this.#refusals.countAndLog(answer, request, address);
    return { accept: false, answer };
  }

  /** Nothing more comes in. */
  close(): void {
    this.#refusals.close();
  }

  open(connection: ShardConnection, socket: Socket): void {
    connection.socket = socket;
    this.#options.connections.set(connection.id, connection);
    this.#options.watch.opened(connection);
    const claim = this.#options.names.claim(connection);
    if (claim === true) this.#admit(connection);
    else
      this.#options.intake.holdUntil(
        connection,
        claim.then((granted) => this.#admitIf(connection, granted)),
      );
  }

  #admitIf(connection: ShardConnection, granted: boolean): void {
    if (!granted) connection.close(closeCode.nameTaken, 'a client with this id is connected');
    // It may have left in the meantime, when there was nothing to give back yet.
    else if (connection.isOpen) this.#admit(connection);
    else this.#options.names.release(connection);
  }

  /** From here on the connection counts: it can be reached, and its end will be told. */
  #admit(connection: ShardConnection): void {
    connection.isAdmitted = true;
    this.#counters.add(counter.connectionsOpened, 1);
    if (this.#config.logsConnections) {
      const { id, codec, remoteAddress } = connection;
      this.#options.log.write('debug', 'a connection was opened', { connection: id, codec, address: remoteAddress });
    }
    // With keys of its own to come, nothing meant for everyone goes out before they are there.
    if (this.#sealing === null) this.#hub.enter(connection);
    else connection.deferred = [];
    if ((this.#board.interest & interest.connect) !== 0) {
      const { id, name, codec, remoteAddress } = connection;
      this.#tell(recordKind.onConnect, { id, name, codec, remoteAddress } satisfies ConnectNotice);
    }
    this.#options.intake.welcome(connection, () => this.#welcomed(connection));
  }

  /** Its `connect` handler is done. */
  #welcomed(connection: ShardConnection): void {
    if (this.#sealing === null || !connection.isOpen) return;
    if (this.#sealing.out.greet(connection)) {
      this.#hub.enter(connection);
      const deferred = connection.deferred ?? [];
      connection.deferred = null;
      for (const envelope of deferred) this.#options.fanOut.send(connection, envelope);
      return;
    }
    this.#options.log.write('error', 'a seal3 or seal2 connection has no key: close', { connection: connection.id });
    connection.close(closeCode.internalError, 'no key');
  }

  /** A notice for main's listeners. */
  #tell(kind: number, notice: ConnectNotice | DisconnectNotice): void {
    if (this.#options.router.notify(kind, notice) === 'overloaded') {
      this.#options.log.write('error', 'main could not be told of a connection: its ring is full', {
        connection: notice.id,
      });
    }
  }

  /** A client has gone. What it sent before that is handled first, also what the pool still has or what waits for its turn. */
  leave(connection: ShardConnection, code: number, reason: string, cause: CloseCause): void {
    this.#options.intake.finish(connection, () => this.end(connection, code, reason, cause));
  }

  /** The socket of a connection that has ended is gone: not before is its place another's. */
  gone(connection: ShardConnection): void {
    this.#counters.add(counter.connectionsEnding, -1);
    this.#options.tally?.leave(this.#options.shard, connection.remoteAddress);
  }

  /** A connection has ended. `code` and `reason` are the transport's; what was decided here goes before. */
  end(connection: ShardConnection, endCode: number, endReason: string, cause: CloseCause): void {
    const { code, reason } = connection.closing ?? { code: endCode, reason: endReason };
    connection.socket = null;
    this.#options.intake.forget(connection);
    this.#options.watch.ended(connection);
    if (connection.deferred !== null) {
      this.#counters.add(counter.undeliverable, connection.deferred.length);
      connection.deferred = null;
    }
    this.#options.vitals.countClose(code);
    this.#sealing?.out.forget(connection);
    this.#options.connections.delete(connection.id);
    this.#counters.add(counter.connectionsEnding, 1);
    if (cause === 'tooBig') this.#counters.add(counter.messagesTooLarge, 1);
    if (cause === 'protocolError') this.#counters.add(counter.protocolErrors, 1);
    // One that never got its name was never there, as far as others know.
    if (!connection.isAdmitted) return;
    this.#hub.exit(connection);
    this.#options.names.release(connection);
    this.#counters.add(counter.connectionsClosed, 1);
    if (this.#config.logsConnections) {
      // Without the reason, which is the client's to choose.
      this.#options.log.write('debug', 'a connection has ended', { connection: connection.id, code, cause });
    }
    if ((this.#board.interest & interest.disconnect) !== 0) {
      this.#tell(recordKind.onDisconnect, { id: connection.id, code, reason } satisfies DisconnectNotice);
    }
    const { handlers } = this.#options.intake;
    const { disconnect } = handlers;
    if (disconnect === undefined) return;
    this.#options.guard.run('disconnect', connection, () => disconnect.call(handlers, connection, code, reason));
  }
}
