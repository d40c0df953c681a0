import type { MessagePort } from 'node:worker_threads';
import { deepFreeze, type EngineConfig } from '../shared/config.ts';
import { ConnectionIds } from '../shared/connection-id.ts';
import { Counters, counter } from '../shared/counters.ts';
import { interest, mainThread, StateBoard, shardOfThread, threadOfShard } from '../shared/engine-memory.ts';
import { closeCode, errorCode, errorStack, errorText } from '../shared/errors/index.ts';
import { doorbell, type FromShard, type ShardStart, type ToShard } from '../shared/ipc.ts';
import { type ConnectNotice, type DisconnectNotice, RecordWriter, recordKind } from '../shared/record.ts';
import { ThreadBus } from '../shared/thread-bus.ts';
import { drainConnections } from './drain.ts';
import { FanOut } from './fan-out.ts';
import { HandlerGuard } from './handler-guard.ts';
import { loadHandlers } from './handler-host.ts';
import { checkHandshake, refusal } from './handshake.ts';
import { Hub } from './hub.ts';
import { Intake } from './intake.ts';
import { NameClaims } from './name-claims.ts';
import { PeerPorts } from './peer-ports.ts';
import { Router } from './router.ts';
import { ShardConnection } from './shard-connection.ts';
import { ShardLog } from './shard-log.ts';
import type {
  CloseCause,
  CreateTransport,
  HttpAnswer,
  Socket,
  Transport,
  TransportRequest,
  UpgradeDecision,
} from './transport/transport.ts';
import { answerRequest } from './web-pages.ts';

/** A message up to this much longer than allowed is still read, to be answered with 1009 instead of a cut line. */
const oversizeBytes = 1_048_576;
const idleTimeoutSeconds = 60;
const leftoverMs = 500;
/** How long a failed shard waits for main's word. */
const failMs = 1_000;

/** One shard: its sockets, its hub, its ends of the rings. Lives in a thread of its own. */
export class Shard {
  readonly #start: ShardStart;
  readonly #endThread: (code: number) => void;
  readonly #config: EngineConfig;
  readonly #port: MessagePort;
  readonly #board: StateBoard;
  readonly #counters: Counters;
  readonly #log: ShardLog;
  readonly #guard: HandlerGuard;
  readonly #bus: ThreadBus;
  readonly #hub: Hub;
  readonly #fanOut: FanOut;
  readonly #router: Router;
  readonly #intake: Intake;
  readonly #ids: ConnectionIds;
  readonly #names: NameClaims;
  readonly #transport: Transport;
  readonly #connections = new Map<string, ShardConnection>();
  readonly #peers = new PeerPorts(() => this.#bus.onDoorbell());
  /** How to end the thread after a failure; null: none has happened. */
  #leave: (() => void) | null = null;
  #closed = false;

  /** `endThread` is the real `process.exit`, which handler modules do not get. */
  constructor(
    start: ShardStart,
    port: MessagePort,
    createTransport: CreateTransport,
    endThread: (code: number) => void,
  ) {
    const { shard, memory } = start;
    const config = deepFreeze(start.config);
    this.#start = start;
    this.#endThread = endThread;
    this.#config = config;
    this.#port = port;
    this.#board = new StateBoard(memory);
    this.#counters = new Counters(memory, threadOfShard(shard));
    this.#log = new ShardLog(shard, (message) => this.#post(message));
    this.#guard = new HandlerGuard(this.#counters, this.#log);
    this.#ids = new ConnectionIds(shard, start.incarnation);
    this.#names = new NameClaims(config.duplicateName, (message) => this.#post(message));
    this.#bus = new ThreadBus({
      memory,
      self: threadOfShard(shard),
      spillBytes: config.ring.spillBytes,
      ring: (thread) => this.#ring(thread),
      visit: (_from, kind, bytes, offset, length) => this.#router.visit(kind, bytes, offset, length),
      onError: (error) => this.#ringFailed(error),
      pumped: (spilledBytes) => this.#counters.set(counter.ringSpilledBytes, spilledBytes),
    });
    const writer = new RecordWriter(this.#bus.producer);
    this.#transport = createTransport<ShardConnection>(
      {
        path: config.path,
        hardMessageBytes: config.maxMessageBytes + Math.max(config.maxMessageBytes, oversizeBytes),
        maxBackpressureBytes: config.maxBackpressureBytes,
        idleTimeoutSeconds,
        compression: config.compression,
      },
      {
        upgrade: (request) => this.#upgrade(request),
        request: (request) => this.#answer(request),
        open: (connection, socket) => this.#open(connection, socket),
        message: (connection, payload) => this.#intake.accept(connection, payload),
        drain: () => undefined,
        dropped: (connection, messages) => this.#dropped(connection, messages),
        close: (connection, code, reason, cause) => this.#close(connection, code, reason, cause),
        abandoned: () => this.#counters.add(counter.handshakesAbandoned, 1),
        // Upgrades are decided at once here.
        discarded: () => undefined,
        error: (error) => this.#guard.report('transport', null, error),
      },
    );
    // An App that is open must be closed before its thread ends, or the process aborts.
    this.#board.setShardOpen(shard, true);
    this.#hub = new Hub(config.limits, this.#counters);
    this.#fanOut = new FanOut(this.#transport, this.#counters, config.compression?.thresholdBytes ?? Infinity);
    this.#router = new Router({
      shard,
      config,
      counters: this.#counters,
      hub: this.#hub,
      fanOut: this.#fanOut,
      writer,
      connections: this.#connections,
    });
    this.#intake = new Intake({
      config,
      counters: this.#counters,
      board: this.#board,
      hub: this.#hub,
      fanOut: this.#fanOut,
      router: this.#router,
      guard: this.#guard,
    });
    port.on('message', (message: ToShard) => this.#onMessage(message));
    this.#bus.attend(mainThread);
  }

  /** Loads the handlers and reports ready. Throws `ERR_HANDLERS_INVALID`. */
  async start(): Promise<void> {
    this.#intake.handlers = await loadHandlers(this.#config.handlers, this.#router.api());
    this.#post({ kind: 'ready', app: this.#transport.handle });
  }

  /**
   * The thread cannot go on: tell main and the clients, then close the App and call `leave`. Not before main has seen to
   * it that nobody hands this App another connection, or has not done so in time.
   */
  fail(error: unknown, leave: () => void): void {
    if (this.#leave !== null) return;
    this.#leave = leave;
    this.#post({
      kind: 'failed',
      code: errorCode(error) ?? 'ERR_SHARD_FAILED',
      text: errorText(error),
      stack: errorStack(error),
    });
    for (const connection of [...this.#connections.values()]) {
      connection.socket?.end(closeCode.serviceRestart, 'shard failed');
    }
    setTimeout(() => this.release(), failMs);
  }

  /** An error that no handler's caller saw, such as the rejection of a promise nobody awaits. */
  reportStray(error: unknown): void {
    this.#guard.report('stray', null, error);
  }

  #post(message: FromShard): void {
    if (!this.#closed) this.#port.postMessage(message);
  }

  #ring(thread: number): void {
    this.#counters.add(counter.doorbells, 1);
    if (thread === mainThread) {
      this.#port.postMessage(doorbell);
      return;
    }
    this.#peers.ring(thread);
  }

  #onMessage(message: ToShard): void {
    if (message === doorbell) {
      this.#bus.onDoorbell();
      return;
    }
    switch (message.kind) {
      case 'peer':
        this.#peers.add(message.thread, message.port);
        this.#bus.attend(message.thread);
        break;
      case 'peer-gone':
        this.#bus.retire(message.thread);
        this.#router.forgetShard(shardOfThread(message.thread));
        this.#peers.remove(message.thread);
        // It may have been the one that this thread's spill queue waited for.
        this.#bus.onDoorbell();
        break;
      case 'adopt':
        for (const descriptor of message.descriptors) {
          // Counted first: from here on it is the transport's to close, whatever happens.
          this.#counters.add(counter.descriptorsAdopted, 1);
          this.#transport.adopt(descriptor);
        }
        break;
      case 'listen':
        this.#transport.listen(message.host, message.port, message.apps).then(
          (port) => this.#post({ kind: 'listening', port }),
          () => this.#post({ kind: 'listen-failed' }),
        );
        break;
      case 'stop-listening':
        this.#transport.stopListening();
        this.#post({ kind: 'stopped-listening' });
        break;
      case 'name-answer':
        this.#names.settle(message.claim, message.granted);
        break;
      case 'name-replaced':
        this.#connections.get(message.connection)?.close(closeCode.nameReplaced, 'replaced');
        break;
      case 'drain':
        void this.#drain(message.graceMs);
        break;
      case 'settle':
        void this.#bus
          .flushed(performance.now() + message.deadline - Date.now())
          .then(() => this.#post({ kind: 'settled' }));
        break;
      case 'forget-app':
        this.#transport.forget(message.app);
        this.#post({ kind: 'app-forgotten', thread: message.thread });
        break;
      case 'abandon':
        this.release();
        break;
    }
  }

  #answer(request: TransportRequest): HttpAnswer {
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

  #upgrade(request: TransportRequest): UpgradeDecision<ShardConnection> {
    if (this.#board.engine === 'draining' || this.#closed || this.#leave !== null) {
      return this.#refused(refusal(503, 'ERR_SHUTTING_DOWN', 'this server is shutting down', [['Retry-After', '1']]));
    }
    const verdict = checkHandshake(request, this.#config);
    if (!verdict.ok) return this.#refused(verdict.answer);
    const { codec, subprotocol, name } = verdict.handshake;
    const facts = { id: this.#ids.next(), name, codec, remoteAddress: request.remoteAddress };
    const connection = new ShardConnection(facts, { hub: this.#hub, fanOut: this.#fanOut });
    return { accept: true, attachment: connection, subprotocol };
  }

  #refused(answer: HttpAnswer): Extract<UpgradeDecision<ShardConnection>, { accept: false }> {
    this.#counters.add(counter.handshakesRefused, 1);
    return { accept: false, answer };
  }

  #open(connection: ShardConnection, socket: Socket): void {
    connection.socket = socket;
    this.#connections.set(connection.id, connection);
    const claim = this.#names.claim(connection);
    if (claim === true) this.#admit(connection);
    else
      this.#intake.holdUntil(
        connection,
        claim.then((granted) => this.#admitIf(connection, granted)),
      );
  }

  #admitIf(connection: ShardConnection, granted: boolean): void {
    if (!granted) connection.close(closeCode.nameTaken, 'a client with this id is connected');
    // It may have left in the meantime, when there was nothing to give back yet.
    else if (connection.isOpen) this.#admit(connection);
    else this.#names.release(connection);
  }

  /** From here on the connection counts: it can be reached, and its end will be told. */
  #admit(connection: ShardConnection): void {
    connection.isAdmitted = true;
    this.#counters.add(counter.connectionsOpened, 1);
    this.#hub.enter(connection);
    if ((this.#board.interest & interest.connect) !== 0) {
      const { id, name, codec, remoteAddress } = connection;
      this.#tell(recordKind.onConnect, { id, name, codec, remoteAddress } satisfies ConnectNotice);
    }
    this.#intake.welcome(connection);
  }

  /** A notice for main's listeners. */
  #tell(kind: number, notice: ConnectNotice | DisconnectNotice): void {
    if (this.#router.notify(kind, notice) === 'overloaded') {
      this.#log.write('error', 'main could not be told of a connection: its ring is full', { connection: notice.id });
    }
  }

  #dropped(connection: ShardConnection, messages: number): void {
    this.#counters.add(counter.messagesDropped, messages);
    if (this.#config.slowConsumer !== 'disconnect' || !connection.isOpen) return;
    this.#counters.add(counter.slowConsumersClosed, 1);
    connection.close(closeCode.slowConsumer, 'too slow');
  }

  #close(connection: ShardConnection, code: number, reason: string, cause: CloseCause): void {
    connection.socket = null;
    this.#connections.delete(connection.id);
    if (cause === 'tooBig') this.#counters.add(counter.messagesTooLarge, 1);
    if (cause === 'protocolError') this.#counters.add(counter.protocolErrors, 1);
    // One that never got its name was never there, as far as others know.
    if (!connection.isAdmitted) return;
    this.#hub.exit(connection);
    this.#names.release(connection);
    this.#counters.add(counter.connectionsClosed, 1);
    if ((this.#board.interest & interest.disconnect) !== 0) {
      this.#tell(recordKind.onDisconnect, { id: connection.id, code, reason } satisfies DisconnectNotice);
    }
    const { handlers } = this.#intake;
    const { disconnect } = handlers;
    if (disconnect === undefined) return;
    this.#guard.run('disconnect', connection, () => disconnect.call(handlers, connection, code, reason));
  }

  async #drain(graceMs: number): Promise<void> {
    this.#transport.stopListening();
    await drainConnections(this.#connections, graceMs, this.#bus);
    this.release();
  }

  /** Closes the App and every port; the thread then ends by itself, or at once after a failure. */
  release(): void {
    if (this.#closed) return;
    // Their end is told now: the transport tells nothing of what it cuts.
    for (const connection of [...this.#connections.values()]) this.#close(connection, 1006, '', 'lost');
    this.#closed = true;
    this.#router.close();
    this.#transport.close();
    this.#board.setShardOpen(this.#start.shard, false);
    this.#bus.close();
    this.#peers.close();
    this.#port.close();
    // What a handler module left open, such as an interval, does not hold the engine's close up for longer than this.
    if (this.#leave === null) setTimeout(() => this.#endThread(0), leftoverMs).unref();
    else this.#leave();
  }

  #ringFailed(error: unknown): void {
    this.#guard.report('ring', null, error);
    if (errorCode(error) !== 'ERR_RING_CORRUPT') return;
    // Out of here first: whoever reads the rings is in the middle of it.
    setImmediate(() => {
      throw error;
    });
  }
}
