import type { MessagePort } from 'node:worker_threads';
import { deepFreeze, type EngineConfig } from '../shared/config.ts';
import { ConnectionIds } from '../shared/connection-id.ts';
import { ConnectionTally } from '../shared/connection-tally.ts';
import { Counters, counter } from '../shared/counters.ts';
import { mainThread, StateBoard, shardOfThread, threadOfShard } from '../shared/engine-memory.ts';
import { closeCode, errorCode, errorStack, errorText } from '../shared/errors/index.ts';
import { doorbell, type FromShard, type ShardJob, type ShardStart, type ToShard } from '../shared/ipc.ts';
import { RecordWriter } from '../shared/record.ts';
import { runJob } from '../shared/security/index.ts';
import { ThreadBus } from '../shared/thread-bus.ts';
import { showTicks } from '../shared/ticks.ts';
import type { TlsMaterial } from '../shared/tls.ts';
import { Vitals } from '../shared/vitals.ts';
import { VitalsReporter } from '../shared/vitals-reporter.ts';
import { drainConnections, whenIdle } from './drain.ts';
import { FanOut, type Sealing } from './fan-out.ts';
import { HandlerGuard } from './handler-guard.ts';
import { loadHandlers } from './handler-host.ts';
import { Hub } from './hub.ts';
import { Intake } from './intake.ts';
import { LiveKeys } from './live-keys.ts';
import { MetricsDesk } from './metrics-desk.ts';
import { NameClaims } from './name-claims.ts';
import { OffloadPort } from './offload-port.ts';
import { PeerPorts } from './peer-ports.ts';
import { Reception } from './reception.ts';
import { Router } from './router.ts';
import { SealedOut } from './sealed-out.ts';
import { Sealer } from './sealer.ts';
import type { ShardConnection } from './shard-connection.ts';
import { ShardLog } from './shard-log.ts';
import type { CreateTransport, Transport } from './transport/transport.ts';
import { UpgradeHook } from './upgrade-hook.ts';
import { idleTimeoutSeconds, Watch } from './watch.ts';

/** A message up to this much longer than allowed is still read, to be answered with 1009 instead of a cut line. */
const oversizeBytes = 1_048_576;
type DrainOrder = Extract<ToShard, { kind: 'drain' }>;

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
  readonly #vitals: Vitals;
  readonly #reporter: VitalsReporter;
  readonly #log: ShardLog;
  readonly #guard: HandlerGuard;
  readonly #bus: ThreadBus;
  readonly #hub: Hub;
  readonly #fanOut: FanOut;
  readonly #offload: OffloadPort<ShardJob>;
  readonly #keys: LiveKeys;
  /** Null: the engine has no `security` option. */
  readonly #sealing: Sealing | null;
  readonly #router: Router;
  readonly #intake: Intake;
  readonly #reception: Reception;
  readonly #hook: UpgradeHook;
  readonly #names: NameClaims;
  readonly #metrics = new MetricsDesk((message) => this.#post(message));
  readonly #transport: Transport;
  readonly #watch: Watch;
  readonly #connections = new Map<string, ShardConnection>();
  readonly #peers = new PeerPorts(() => this.#bus.onDoorbell());
  /** How to end the thread after a failure; null: none has happened. */
  #leave: (() => void) | null = null;
  #isDraining = false;
  #closed = false;

  /** `endThread` is the real `process.exit`, which handler modules do not get. */
  constructor(
    start: ShardStart,
    port: MessagePort,
    createTransport: CreateTransport,
    endThread: (code: number) => void,
  ) {
    const { shard, memory, keys, keyPort } = start;
    const hasKeys = keys.current.aesKey !== null || keys.current.hmacKey !== null;
    const config = deepFreeze(start.config);
    this.#start = start;
    this.#endThread = endThread;
    this.#config = config;
    this.#port = port;
    this.#board = new StateBoard(memory);
    this.#counters = new Counters(memory, threadOfShard(shard));
    this.#log = new ShardLog(shard, (message) => this.#post(message));
    this.#vitals = new Vitals(memory, threadOfShard(shard));
    this.#reporter = new VitalsReporter(this.#vitals);
    this.#guard = new HandlerGuard(this.#counters, this.#vitals, this.#log);
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
        idleTimeoutSeconds: idleTimeoutSeconds(config),
        // Sealed frames do not compress: where all are sealed, nobody need ask for it (checklist H-97).
        compression: hasKeys ? null : config.compression,
        tls: start.tls,
      },
      {
        upgrade: (request, exchange) => this.#reception.upgrade(request, exchange),
        request: (request) => this.#reception.answer(request),
        open: (connection, socket) => this.#reception.open(connection, socket),
        message: (connection, payload) => {
          this.#watch.heard(connection);
          this.#intake.accept(connection, payload);
        },
        alive: (connection) => this.#watch.heard(connection),
        drain: (connection) => this.#watch.drained(connection),
        dropped: (connection, messages) => this.#watch.dropped(connection, messages),
        close: (connection, code, reason, cause) => this.#reception.leave(connection, code, reason, cause),
        abandoned: () => this.#counters.add(counter.handshakesAbandoned, 1),
        discarded: (connection) => this.#reception.discarded(connection),
        error: (error) => this.#guard.report('transport', null, error),
      },
    );
    // An App that is open must be closed before its thread ends, or the process aborts.
    this.#board.setShardOpen(shard, true);
    this.#hub = new Hub(config.limits, this.#counters);
    this.#watch = new Watch({
      config,
      counters: this.#counters,
      hub: this.#hub,
      guard: this.#guard,
      handlers: () => this.#intake.handlers,
    });
    this.#offload = new OffloadPort<ShardJob>({
      config: config.offload,
      board: this.#board,
      counters: {
        taken: (job) => this.#counters.add(job.op === 'seal' ? counter.sealsOffloaded : counter.opensOffloaded, 1),
        full: () => this.#counters.add(counter.offloadFull, 1),
        failed: () => this.#counters.add(counter.offloadFailed, 1),
        late: () => this.#counters.add(counter.offloadLate, 1),
      },
      post: (request) => this.#post({ kind: 'offload', request }),
      perform: runJob,
    });
    this.#keys = new LiveKeys(keys, keyPort, this.#board);
    this.#sealing = this.#createSealing();
    this.#fanOut = new FanOut(
      this.#transport,
      this.#counters,
      this.#sealing,
      config.compression?.thresholdBytes ?? Infinity,
    );
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
      log: this.#log,
      sealer: this.#sealing?.sealer ?? null,
      offload: this.#offload,
    });
    this.#hook = new UpgradeHook({ config, counters: this.#counters, guard: this.#guard });
    this.#reception = new Reception({
      shard,
      ids: new ConnectionIds(shard, start.incarnation),
      config,
      counters: this.#counters,
      vitals: this.#vitals,
      board: this.#board,
      hub: this.#hub,
      fanOut: this.#fanOut,
      router: this.#router,
      intake: this.#intake,
      guard: this.#guard,
      log: this.#log,
      names: this.#names,
      watch: this.#watch,
      hook: this.#hook,
      tally: memory.tally === null ? null : new ConnectionTally(memory.tally, config.limits),
      metrics: this.#metrics,
      sealing: this.#sealing,
      connections: this.#connections,
      isLeaving: () => this.#closed || this.#isDraining || this.#leave !== null,
    });
    port.on('message', (message: ToShard) => this.#onMessage(message));
    if (config.watchdog !== null) showTicks(memory, shard, config.watchdog.stalledMs);
  }

  /** Loads the handlers and reports ready. Throws `ERR_HANDLERS_INVALID`. */
  async start(): Promise<void> {
    this.#intake.handlers = await loadHandlers(this.#config.handlers, this.#router.api());
    this.#hook.handlers = this.#intake.handlers;
    this.#vitals.state = 'ready';
    // Not before: a module that takes its time would hold back what main publishes for the others.
    this.#bus.attend(mainThread);
    this.#post({ kind: 'ready', app: this.#transport.handle });
  }

  /**
   * The thread cannot go on: tell main and the clients, then close the App and call `leave`. Not before main has seen to
   * it that nobody hands this App another connection, or has not done so in time.
   */
  fail(error: unknown, leave: () => void): void {
    if (this.#leave !== null) return;
    this.#leave = leave;
    this.#reception.refuseUndecided();
    this.#vitals.state = 'ending';
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

  #createSealing(): Sealing | null {
    const { security, maxMessageBytes } = this.#config;
    if (security === null) return null;
    const sealer = new Sealer(security, this.#keys, maxMessageBytes);
    const out = new SealedOut({
      config: this.#config,
      counters: this.#counters,
      transport: this.#transport,
      sealer,
      offload: this.#offload,
      // Not at once: whoever sends is in the middle of an audience.
      dropped: (connection) => setImmediate(() => this.#watch.dropped(connection, 1)),
      flushed: (connection) => this.#watch.flushed(connection),
      error: (error) => this.#guard.report('seal', null, error),
    });
    return { sealer, out };
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
        this.#router.meetShard(shardOfThread(message.thread));
        this.#peers.add(message.thread, message.port);
        this.#bus.attend(message.thread);
        break;
      case 'peer-gone':
        this.#router.forgetShard(shardOfThread(message.thread));
        this.#peers.remove(message.thread);
        // Its ring may hold more, and it may have been the one that this thread's spill queue waited for.
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
        void this.#drain(message);
        break;
      case 'offloaded':
        this.#offload.settle(message.answer);
        break;
      case 'take-keys':
        this.#keys.take();
        break;
      case 'reload-tls':
        this.#post({ kind: 'tls-reloaded', id: message.id, problem: this.#reloadTls(message.tls) });
        break;
      case 'settle':
        void this.#settle(performance.now() + message.deadline - Date.now());
        break;
      case 'forget-app':
        this.#transport.forget(message.app);
        this.#post({ kind: 'app-forgotten', thread: message.thread });
        break;
      case 'abandon':
        this.release();
        break;
      case 'meet-app':
        this.#transport.meet(message.app);
        break;
      case 'ping':
        this.#post({ kind: 'pong' });
        break;
      case 'metrics':
        this.#metrics.settle(message.request, message.text);
        break;
    }
  }

  /** Null: done. Else what is wrong; the former certificate is kept. */
  #reloadTls(tls: TlsMaterial): string | null {
    try {
      this.#transport.renewTls(tls);
      return null;
    } catch (error) {
      return errorText(error);
    }
  }

  /** What was sent to this shard is published, and what it publishes is in its ring, or `deadline` has come. */
  async #settle(deadline: number): Promise<void> {
    await whenIdle(() => this.#offload.pending === 0, deadline);
    await this.#bus.flushed(deadline);
    this.#post({ kind: 'settled' });
  }

  async #drain(order: DrainOrder): Promise<void> {
    const { graceMs } = order;
    this.#isDraining = true;
    this.#vitals.state = 'ending';
    this.#transport.stopListening();
    this.#reception.refuseUndecided();
    const { out } = this.#sealing ?? {};
    if (out !== undefined && !(await whenIdle(() => out.isIdle, performance.now() + graceMs / 2))) out.finishNow();
    await drainConnections(this.#connections, graceMs, this.#bus, order);
    this.release();
  }

  /** Closes the App and every port; the thread then ends by itself, or at once after a failure. */
  release(): void {
    if (this.#closed) return;
    // Their end is told now: the transport tells nothing of what it cuts.
    for (const connection of [...this.#connections.values()]) this.#reception.end(connection, 1006, '', 'lost');
    this.#closed = true;
    this.#watch.stop();
    this.#reception.refuseUndecided();
    this.#metrics.close();
    this.#reporter.stop();
    this.#vitals.state = 'ended';
    this.#offload.close();
    this.#router.close();
    this.#transport.close();
    this.#board.setShardOpen(this.#start.shard, false);
    this.#bus.close();
    this.#peers.close();
    this.#keys.close();
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
