import type { ShardJob, ShardStart } from '../../shared/bus/ipc.ts';
import { Publisher } from '../../shared/bus/publisher.ts';
import { DeliveryDispatch, type ShardDelivery } from '../../shared/bus/record-dispatch.ts';
import type { ThreadBus } from '../../shared/bus/thread-bus.ts';
import { deepFreeze, type EngineConfig } from '../../shared/config/config.ts';
import { ConnectionTally } from '../../shared/memory/connection-tally.ts';
import { Counters, counter } from '../../shared/memory/counters.ts';
import { StateBoard, threadOfShard } from '../../shared/memory/engine-memory.ts';
import { Vitals } from '../../shared/memory/vitals.ts';
import { VitalsReporter } from '../../shared/memory/vitals-reporter.ts';
import { ConnectionIds } from '../../shared/message/connection-id.ts';
import { runJob } from '../../shared/security/index.ts';
import type { ShardConnection } from '../connection/shard-connection.ts';
import { HandlerGuard } from '../handlers/handler-guard.ts';
import { HandlerHost } from '../handlers/handler-host.ts';
import { ShardLog } from '../handlers/shard-log.ts';
import { Handshakes } from '../handshake/handshakes.ts';
import { MetricsProxy } from '../handshake/metrics-proxy.ts';
import { NameClaims } from '../handshake/name-claims.ts';
import { UpgradeHook } from '../handshake/upgrade-hook.ts';
import { Intake } from '../inbound/intake.ts';
import { OffloadPort } from '../offload/offload-port.ts';
import { FanOut, type SealingParts } from '../outbound/fan-out.ts';
import { Hub } from '../outbound/hub.ts';
import { LocalDelivery } from '../outbound/local-delivery.ts';
import { SealedOut } from '../outbound/sealed-out.ts';
import { ShardBackpressure } from '../outbound/shard-backpressure.ts';
import { LiveKeys } from '../sealing/live-keys.ts';
import { Sealer } from '../sealing/sealer.ts';
import type { CreateTransport, Transport, TransportOptions } from '../transport/transport.ts';
import { Deadlines } from '../upkeep/deadlines.ts';
import { HeapWatch } from '../upkeep/heap-watch.ts';
import { idleTimeoutSeconds, Watch } from '../upkeep/watch.ts';
import { ConnectionLifecycle } from './connection-lifecycle.ts';
import { ShardPort } from './connection-port.ts';
import type { MainPort } from './main-port.ts';
import { MainNotices } from './notices.ts';
import { PeerPorts } from './peer-ports.ts';
import { createShardBus } from './shard-bus.ts';
import { ShardEvents } from './transport-events.ts';

export interface ShardPartsOptions {
  readonly start: ShardStart;
  readonly main: MainPort;
  readonly createTransport: CreateTransport;
  /** Whether the shard takes no connections any more. */
  isLeaving(): boolean;
}

/** A message up to this much longer than allowed is still read, to be answered with 1009 instead of a cut line. */
const oversizeBytes = 1_048_576;

/** What a shard consists of. Creates the parts, each with those that it calls; what they do is in their own files. */
export class ShardParts {
  readonly config: EngineConfig;
  readonly main: MainPort;
  readonly board: StateBoard;
  readonly counters: Counters;
  readonly vitals: Vitals;
  readonly reporter: VitalsReporter;
  readonly log: ShardLog;
  readonly guard: HandlerGuard;
  readonly handlers: HandlerHost;
  readonly bus: ThreadBus;
  readonly peers: PeerPorts = new PeerPorts(() => this.bus.onDoorbell());
  readonly offload: OffloadPort<ShardJob>;
  readonly keys: LiveKeys;
  /** Null: the engine has no `security` option. */
  readonly sealing: SealingParts | null;
  readonly dispatch: DeliveryDispatch;
  readonly publisher: Publisher;
  readonly intake: Intake;
  readonly handshakes: Handshakes;
  readonly lifecycle: ConnectionLifecycle;
  readonly names: NameClaims;
  readonly metrics: MetricsProxy;
  readonly transport: Transport;
  readonly watch: Watch;
  readonly deadlines: Deadlines;
  /** Null: the heap is not watched. */
  readonly heapWatch: HeapWatch | null;
  readonly backpressure: ShardBackpressure;
  readonly connections: Map<string, ShardConnection> = new Map();
  #publishesNoMore = false;

  constructor({ start, main, createTransport, isLeaving }: ShardPartsOptions) {
    const { shard, memory } = start;
    const config = deepFreeze(start.config);
    const log = new ShardLog(shard, (message) => main.post(message));
    const board = new StateBoard(memory);
    const counters = new Counters(memory, threadOfShard(shard));
    const vitals = new Vitals(memory, threadOfShard(shard));
    const guard = new HandlerGuard(counters, vitals, log);
    const handlers = new HandlerHost(guard);
    const tally = memory.tally === null ? null : new ConnectionTally(memory.tally, config.limits);
    const common = { shard, config, counters, vitals, board, log, guard, handlers, tally };
    this.config = config;
    this.main = main;
    this.board = board;
    this.counters = counters;
    this.vitals = vitals;
    this.reporter = new VitalsReporter(vitals);
    this.log = log;
    this.guard = guard;
    this.handlers = handlers;
    this.heapWatch = config.maxShardHeapBytes === false ? null : new HeapWatch(vitals, log);
    const heapBrake = this.heapWatch?.brake ?? null;
    this.names = new NameClaims(config.duplicateName, main.asks, (message) => main.post(message));
    this.metrics = new MetricsProxy(main.asks);
    this.backpressure = new ShardBackpressure({
      maxBytes: config.maxShardBackpressureBytes,
      counters,
      connections: this.connections,
      log,
    });
    this.bus = createShardBus(memory, shard, config.ring.spillBytes, this);
    this.transport = createTransport(transportOptions(config, start), new ShardEvents(this));
    // An App that is open must be closed before its thread ends, or the process aborts.
    board.setShardOpen(shard, true);
    const hub = new Hub(config.limits, counters);
    this.watch = new Watch({ ...common, hub });
    this.deadlines = new Deadlines(common);
    this.offload = this.#createOffload();
    this.keys = new LiveKeys(start.keys, start.keyPort, board);
    this.sealing = this.#createSealing();
    const compressFromBytes = config.compression?.thresholdBytes ?? Infinity;
    const fanOut = new FanOut(this.transport, counters, this.sealing, compressFromBytes, this.backpressure);
    const delivery = new LocalDelivery({ ...common, hub, fanOut, connections: this.connections });
    this.dispatch = new DeliveryDispatch(delivery);
    this.publisher = this.#createPublisher(shard, delivery);
    this.intake = new Intake({
      ...common,
      hub,
      fanOut,
      publisher: this.publisher,
      deadlines: this.deadlines,
      sealer: this.sealing?.sealer ?? null,
      offload: this.offload,
      heapBrake,
    });
    const { inbox } = this.intake;
    const { closings } = this.watch;
    this.handshakes = new Handshakes({
      ...common,
      ids: new ConnectionIds(shard, start.incarnation),
      hook: new UpgradeHook(common),
      metrics: this.metrics,
      heapBrake,
      port: new ShardPort({ takesKeys: this.sealing !== null, hub, fanOut, closings, inbox }),
      isLeaving,
    });
    this.lifecycle = new ConnectionLifecycle({
      ...common,
      hub,
      fanOut,
      inbox,
      deadlines: this.deadlines,
      names: this.names,
      watch: this.watch,
      notices: new MainNotices(board, this.publisher, log),
      sealing: this.sealing,
      connections: this.connections,
    });
  }

  /** Later calls of `publish` return `closed`. */
  stopPublishing(): void {
    this.#publishesNoMore = true;
  }

  #createPublisher(shard: number, delivery: ShardDelivery): Publisher {
    return new Publisher({
      producer: this.bus.producer,
      counters: this.counters,
      shards: this.config.shards,
      nameLimitBytes: this.config.limits.channelNameBytes,
      ownShard: { shard, delivery },
      isClosed: () => this.#publishesNoMore,
      canReach: (other) => this.peers.has(threadOfShard(other)),
    });
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
      dropped: (connection) => setImmediate(() => this.watch.noteDropped(connection, 1, 0)),
      flushed: (connection) => this.watch.noteFlushed(connection),
      error: (error) => this.guard.fault('seal', null, error),
    });
    return { sealer, out };
  }
}

function transportOptions(config: EngineConfig, { keys, tls }: ShardStart): TransportOptions {
  const hasKeys = keys.current.aesKey !== null || keys.current.hmacKey !== null;
  return {
    path: config.path,
    hardMessageBytes: config.maxMessageBytes + Math.max(config.maxMessageBytes, oversizeBytes),
    maxBackpressureBytes: config.maxBackpressureBytes,
    idleTimeoutSeconds: idleTimeoutSeconds(config),
    // Sealed frames do not compress: where all are sealed, compression is not agreed on.
    compression: hasKeys ? null : config.compression,
    tls,
  };
}
