import type { EngineConfig } from '../shared/config.ts';
import type { ConnectionIds } from '../shared/connection-id.ts';
import { type Counters, counter } from '../shared/counters.ts';
import { interest, type StateBoard } from '../shared/engine-memory.ts';
import { closeCode } from '../shared/errors/index.ts';
import { type ConnectNotice, type DisconnectNotice, recordKind } from '../shared/record.ts';
import type { FanOut, Sealing } from './fan-out.ts';
import type { HandlerGuard } from './handler-guard.ts';
import { checkHandshake, refusal } from './handshake.ts';
import type { Hub } from './hub.ts';
import type { Intake } from './intake.ts';
import type { NameClaims } from './name-claims.ts';
import type { Router } from './router.ts';
import { ShardConnection } from './shard-connection.ts';
import type { ShardLog } from './shard-log.ts';
import type { CloseCause, HttpAnswer, Socket, TransportRequest, UpgradeDecision } from './transport/transport.ts';
import { answerRequest } from './web-pages.ts';

export interface ReceptionOptions {
  readonly ids: ConnectionIds;
  readonly config: EngineConfig;
  readonly counters: Counters;
  readonly board: StateBoard;
  readonly hub: Hub;
  readonly fanOut: FanOut;
  readonly router: Router;
  readonly intake: Intake;
  readonly guard: HandlerGuard;
  readonly log: ShardLog;
  readonly names: NameClaims;
  /** Null: the engine has no `security` option. */
  readonly sealing: Sealing | null;
  /** Of this shard, by id. The reception puts them there and takes them away. */
  readonly connections: Map<string, ShardConnection>;
  /** Whether the shard takes no connections any more. */
  isLeaving(): boolean;
}

/** Where clients come in and go: handshakes, names, who is told, and what is forgotten at the end. */
export class Reception {
  readonly #options: ReceptionOptions;
  readonly #config: EngineConfig;
  readonly #counters: Counters;
  readonly #board: StateBoard;
  readonly #hub: Hub;
  readonly #sealing: Sealing | null;

  constructor(options: ReceptionOptions) {
    this.#options = options;
    this.#config = options.config;
    this.#counters = options.counters;
    this.#board = options.board;
    this.#hub = options.hub;
    this.#sealing = options.sealing;
  }

  /** A request that is no handshake. */
  answer(request: TransportRequest): HttpAnswer {
    this.#counters.add(counter.httpRequests, 1);
    const answer = answerRequest(request, this.#config, this.#board.engine);
    if (answer === null) {
      const verdict = checkHandshake(request, this.#config);
      // What passes every check would have been an upgrade: the socket library did not take its key.
      const text = 'Sec-WebSocket-Key is not acceptable';
      return this.#refused(verdict.ok ? refusal(400, 'ERR_HANDSHAKE_KEY', text) : verdict.answer).answer;
    }
    if (answer.status === 405) this.#counters.add(counter.handshakesRefused, 1);
    return answer;
  }

  /** A handshake. */
  upgrade(request: TransportRequest): UpgradeDecision<ShardConnection> {
    if (this.#board.engine === 'draining' || this.#options.isLeaving()) {
      return this.#refused(refusal(503, 'ERR_SHUTTING_DOWN', 'this server is shutting down', [['Retry-After', '1']]));
    }
    const verdict = checkHandshake(request, this.#config);
    if (!verdict.ok) return this.#refused(verdict.answer);
    const { subprotocol, ...handshake } = verdict.handshake;
    const facts = { id: this.#options.ids.next(), remoteAddress: request.remoteAddress, ...handshake };
    const takesKeys = this.#sealing !== null;
    const connection = new ShardConnection(facts, { hub: this.#hub, fanOut: this.#options.fanOut, takesKeys });
    return { accept: true, attachment: connection, subprotocol };
  }

  #refused(answer: HttpAnswer): Extract<UpgradeDecision<ShardConnection>, { accept: false }> {
    this.#counters.add(counter.handshakesRefused, 1);
    return { accept: false, answer };
  }

  open(connection: ShardConnection, socket: Socket): void {
    connection.socket = socket;
    this.#options.connections.set(connection.id, connection);
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
    this.#options.log.write('error', 'a seal2 connection has no key: close', { connection: connection.id });
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

  /** Messages were not given to a connection, because it reads too slowly. */
  dropped(connection: ShardConnection, messages: number): void {
    this.#counters.add(counter.messagesDropped, messages);
    if (this.#config.slowConsumer !== 'disconnect' || !connection.isOpen) return;
    this.#counters.add(counter.slowConsumersClosed, 1);
    connection.close(closeCode.slowConsumer, 'too slow');
  }

  /** A client has gone. What it sent before that is handled first, also what the pool still has. */
  leave(connection: ShardConnection, code: number, reason: string, cause: CloseCause): void {
    // Handling the one may begin the next, each time with less that waits.
    while (connection.opening !== null && connection.isOpen) connection.opening.finishNow();
    this.end(connection, code, reason, cause);
  }

  /** A connection has ended. */
  end(connection: ShardConnection, code: number, reason: string, cause: CloseCause): void {
    connection.socket = null;
    this.#sealing?.out.forget(connection);
    this.#options.connections.delete(connection.id);
    if (cause === 'tooBig') this.#counters.add(counter.messagesTooLarge, 1);
    if (cause === 'protocolError') this.#counters.add(counter.protocolErrors, 1);
    // One that never got its name was never there, as far as others know.
    if (!connection.isAdmitted) return;
    this.#hub.exit(connection);
    this.#options.names.release(connection);
    this.#counters.add(counter.connectionsClosed, 1);
    if ((this.#board.interest & interest.disconnect) !== 0) {
      this.#tell(recordKind.onDisconnect, { id: connection.id, code, reason } satisfies DisconnectNotice);
    }
    const { handlers } = this.#options.intake;
    const { disconnect } = handlers;
    if (disconnect === undefined) return;
    this.#options.guard.run('disconnect', connection, () => disconnect.call(handlers, connection, code, reason));
  }
}
