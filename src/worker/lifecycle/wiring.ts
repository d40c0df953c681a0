import type { ShardJob, ShardStart } from '../../shared/bus/ipc.ts';
import { RecordWriter } from '../../shared/bus/record.ts';
import { ThreadBus } from '../../shared/bus/thread-bus.ts';
import { deepFreeze, type EngineConfig } from '../../shared/config/config.ts';
import { EngineError, errorCode } from '../../shared/errors/index.ts';
import { ConnectionTally } from '../../shared/memory/connection-tally.ts';
import { Counters, counter } from '../../shared/memory/counters.ts';
import { mainThread, StateBoard, threadOfShard } from '../../shared/memory/engine-memory.ts';
import { Vitals } from '../../shared/memory/vitals.ts';
import { VitalsReporter } from '../../shared/memory/vitals-reporter.ts';
import { ConnectionIds } from '../../shared/message/connection-id.ts';
import { runJob } from '../../shared/security/index.ts';
import type { ShardConnection } from '../connection/shard-connection.ts';
import { HandlerGuard } from '../handlers/handler-guard.ts';
import { ShardLog } from '../handlers/shard-log.ts';
import { MetricsProxy } from '../handshake/metrics-proxy.ts';
import { NameClaims } from '../handshake/name-claims.ts';
import { Reception } from '../handshake/reception.ts';
import { UpgradeHook } from '../handshake/upgrade-hook.ts';
import { Intake } from '../inbound/intake.ts';
import { OffloadPort } from '../offload/offload-port.ts';
import { FanOut, type SealingParts } from '../outbound/fan-out.ts';
import { Hub } from '../outbound/hub.ts';
import { Router } from '../outbound/router.ts';
import { SealedOut } from '../outbound/sealed-out.ts';
import { ShardBackpressure } from '../outbound/shard-backpressure.ts';
import { LiveKeys } from '../sealing/live-keys.ts';
import { Sealer } from '../sealing/sealer.ts';
import type { CreateTransport, Transport, TransportEvents } from '../transport/transport.ts';
import { ownHeap, watchCollections } from '../upkeep/heap.ts';
import { HeapBrake } from '../upkeep/heap-brake.ts';
import { idleTimeoutSeconds, Watch } from '../upkeep/watch.ts';
import type { MainPort } from './main-port.ts';
import { PeerPorts } from './peer-ports.ts';

export interface ShardPartsOptions {
  readonly start: ShardStart;
  readonly main: MainPort;
  readonly createTransport: CreateTransport;
  /** Whether the shard takes no connections any more. */
  isLeaving(): boolean;
}

/** A message up to this much longer than allowed is still read, to be answered with 1009 instead of a cut line. */
const oversizeBytes = 1_048_576;
/** Beside the looks for what clients bring: handlers fill the heap too. */
const heapLookMs = 100;

/** What a shard consists of, put together. Parts that need each other find each other here, when something happens. */
export class ShardParts {
  readonly config: EngineConfig;
  readonly main: MainPort;
  readonly board: StateBoard;
  readonly counters: Counters;
  readonly vitals: Vitals;
  readonly reporter: VitalsReporter;
  readonly guard: HandlerGuard;
  readonly bus: ThreadBus;
  readonly peers: PeerPorts = new PeerPorts(() => this.bus.onDoorbell());
  readonly offload: OffloadPort<ShardJob>;
  readonly keys: LiveKeys;
  /** Null: the engine has no `security` option. */
  readonly sealing: SealingParts | null;
  readonly router: Router;
  readonly intake: Intake;
  readonly reception: Reception;
  readonly hook: UpgradeHook;
  readonly names: NameClaims;
  readonly metrics: MetricsProxy;
  readonly transport: Transport;
  readonly watch: Watch;
  /** Null: nobody looks after the heap. */
  readonly heapBrake: HeapBrake | null;
  readonly backpressure: ShardBackpressure;
  readonly connections: Map<string, ShardConnection> = new Map();
  readonly #log: ShardLog;
  #unwatchHeap: () => void = () => undefined;

  constructor({ start, main, createTransport, isLeaving }: ShardPartsOptions) {
    const { shard, memory } = start;
    const config = deepFreeze(start.config);
    const log = new ShardLog(shard, (message) => main.post(message));
    this.#log = log;
    this.config = config;
    this.main = main;
    this.board = new StateBoard(memory);
    this.counters = new Counters(memory, threadOfShard(shard));
    this.vitals = new Vitals(memory, threadOfShard(shard));
    this.reporter = new VitalsReporter(this.vitals);
    this.guard = new HandlerGuard(this.counters, this.vitals, log);
    this.heapBrake = config.maxShardHeapBytes === false ? null : this.#createHeapBrake();
    this.names = new NameClaims(config.duplicateName, main.asks, (message) => main.post(message));
    this.metrics = new MetricsProxy(main.asks);
    this.backpressure = new ShardBackpressure({
      maxBytes: config.maxShardBackpressureBytes,
      counters: this.counters,
      connections: this.connections,
      log,
    });
    this.bus = this.#createBus(start);
    this.transport = this.#createTransport(start, createTransport);
    // An App that is open must be closed before its thread ends, or the process aborts.
    this.board.setShardOpen(shard, true);
    const hub = new Hub(config.limits, this.counters);
    this.watch = new Watch({
      config,
      counters: this.counters,
      hub,
      guard: this.guard,
      handlers: () => this.intake.handlers,
    });
    this.offload = this.#createOffload();
    this.keys = new LiveKeys(start.keys, start.keyPort, this.board);
    this.sealing = this.#createSealing();
    const compressFromBytes = config.compression?.thresholdBytes ?? Infinity;
    const fanOut = new FanOut(this.transport, this.counters, this.sealing, compressFromBytes, this.backpressure);
    this.router = new Router({
      shard,
      config,
      counters: this.counters,
      hub,
      fanOut,
      writer: new RecordWriter(this.bus.producer),
      connections: this.connections,
    });
    this.intake = new Intake({
      config,
      counters: this.counters,
      board: this.board,
      hub,
      fanOut,
      router: this.router,
      guard: this.guard,
      log,
      sealer: this.sealing?.sealer ?? null,
      offload: this.offload,
      heapBrake: this.heapBrake,
    });
    this.hook = new UpgradeHook({ config, counters: this.counters, guard: this.guard });
    this.reception = new Reception({
      shard,
      ids: new ConnectionIds(shard, start.incarnation),
      config,
      counters: this.counters,
      vitals: this.vitals,
      board: this.board,
      hub,
      fanOut,
      router: this.router,
      intake: this.intake,
      guard: this.guard,
      log,
      names: this.names,
      watch: this.watch,
      hook: this.hook,
      tally: memory.tally === null ? null : new ConnectionTally(memory.tally, config.limits),
      metrics: this.metrics,
      sealing: this.sealing,
      connections: this.connections,
      heapBrake: this.heapBrake,
      isLeaving,
    });
  }

  /** The heap is looked after no more. */
  stopHeapBrake(): void {
    this.#unwatchHeap();
  }

  #createHeapBrake(): HeapBrake {
    const brake = new HeapBrake({
      heap: ownHeap(),
      vitals: this.vitals,
      now: () => performance.now(),
      changed: (isOn, heapUsedBytes) => {
        if (isOn) this.#log.write('warn', 'the heap of a shard is nearly full: it takes nothing in', { heapUsedBytes });
        else this.#log.write('info', 'the heap of a shard has room again', { heapUsedBytes });
      },
      exhausted: (usedBytes, limitBytes) => {
        const text = `the heap of a shard is full: ${usedBytes} of ${limitBytes} bytes`;
        // Out of here first: whoever looked is in the middle of something.
        setImmediate(() => {
          throw new EngineError('ERR_SHARD_OUT_OF_MEMORY', text);
        });
      },
    });
    const timer = setInterval(() => brake.look(), heapLookMs).unref();
    const unwatch = watchCollections(() => brake.collected());
    this.#unwatchHeap = () => {
      clearInterval(timer);
      unwatch();
    };
    return brake;
  }

  #createBus({ shard, memory }: ShardStart): ThreadBus {
    return new ThreadBus({
      memory,
      self: threadOfShard(shard),
      spillBytes: this.config.ring.spillBytes,
      ring: (thread) => {
        this.counters.add(counter.doorbells, 1);
        if (thread === mainThread) this.main.ring();
        else this.peers.ring(thread);
      },
      visit: (_from, kind, bytes, offset, length) => this.router.visit(kind, bytes, offset, length),
      onError: (error) => this.#ringFailed(error),
      pumped: (spilledBytes) => this.counters.set(counter.ringSpilledBytes, spilledBytes),
    });
  }

  #createTransport({ keys, tls }: ShardStart, create: CreateTransport): Transport {
    const { config } = this;
    const hasKeys = keys.current.aesKey !== null || keys.current.hmacKey !== null;
    const options = {
      path: config.path,
      hardMessageBytes: config.maxMessageBytes + Math.max(config.maxMessageBytes, oversizeBytes),
      maxBackpressureBytes: config.maxBackpressureBytes,
      idleTimeoutSeconds: idleTimeoutSeconds(config),
      // Sealed frames do not compress: where all are sealed, nobody need ask for it (checklist H-97).
      compression: hasKeys ? null : config.compression,
      tls,
    };
    const events: TransportEvents<ShardConnection> = {
      upgrade: (request, exchange) => this.reception.upgrade(request, exchange),
      request: (request) => this.reception.answer(request),
      open: (connection, socket) => this.reception.open(connection, socket),
      message: (connection, payload) => {
        this.watch.heard(connection);
        this.intake.accept(connection, payload);
      },
      alive: (connection, unanswered) => {
        if (unanswered) this.counters.add(counter.pongsDropped, 1);
        this.watch.heard(connection);
        this.backpressure.ponged();
        this.intake.control(connection);
      },
      drain: (connection) => this.watch.drained(connection),
      dropped: (connection, messages, batches) => this.watch.dropped(connection, messages, batches),
      close: (connection, code, reason, cause) => this.reception.leave(connection, code, reason, cause),
      gone: (connection) => this.reception.gone(connection),
      cut: () => this.counters.add(counter.connectionsCut, 1),
      abandoned: () => this.counters.add(counter.handshakesAbandoned, 1),
      discarded: (connection) => this.reception.discarded(connection),
      error: (error) => this.guard.fault('transport', null, error),
      starved: (isStarved) => this.#starved(isStarved),
    };
    return create(options, events);
  }

  /** Only of the shard that accepts for all. How many clients were refused meanwhile, nobody is told. */
  #starved(isStarved: boolean): void {
    if (isStarved) {
      this.counters.add(counter.acceptErrors, 1);
      this.#log.write('error', 'no descriptor is left: clients are refused until there is room', {});
    } else {
      this.#log.write('warn', 'there are descriptors again: clients are accepted');
    }
  }

  #createOffload(): OffloadPort<ShardJob> {
    const { counters } = this;
    return new OffloadPort<ShardJob>({
      config: this.config.offload,
      board: this.board,
      counters: {
        taken: (job) => counters.add(job.op === 'seal' ? counter.sealsOffloaded : counter.opensOffloaded, 1),
        full: () => counters.add(counter.offloadFull, 1),
        failed: () => counters.add(counter.offloadFailed, 1),
        late: () => counters.add(counter.offloadLate, 1),
      },
      post: (request) => this.main.post({ kind: 'offload', request }),
      perform: runJob,
    });
  }

  #createSealing(): SealingParts | null {
    const { security, maxMessageBytes } = this.config;
    if (security === null) return null;
    const sealer = new Sealer(security, this.keys, maxMessageBytes);
    const out = new SealedOut({
      config: this.config,
      counters: this.counters,
      transport: this.transport,
      sealer,
      offload: this.offload,
      backpressure: this.backpressure,
      // Not at once: the sender is in the middle of a loop over an audience.
      dropped: (connection) => setImmediate(() => this.watch.dropped(connection, 1, 0)),
      flushed: (connection) => this.watch.flushed(connection),
      error: (error) => this.guard.fault('seal', null, error),
    });
    return { sealer, out };
  }

  #ringFailed(error: unknown): void {
    this.guard.fault('ring', null, error);
    if (errorCode(error) !== 'ERR_RING_CORRUPT') return;
    // Out of here first: whoever reads the rings is in the middle of it.
    setImmediate(() => {
      throw error;
    });
  }
}
