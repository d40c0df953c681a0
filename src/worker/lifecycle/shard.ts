import type { MessagePort } from 'node:worker_threads';
import type { DrainOrder, ShardStart, ToShard } from '../../shared/bus/ipc.ts';
import type { TransportFacts } from '../../shared/config/config.ts';
import { closeCode, errorCode, errorStack, errorText } from '../../shared/errors/index.ts';
import { mainThread } from '../../shared/memory/engine-memory.ts';
import { showTicks } from '../../shared/memory/ticks.ts';
import { createShardApi } from '../outbound/shard-api.ts';
import type { ChosenTransport } from '../transport/choose-transport.ts';
import { drainConnections, whenIdle } from './drain.ts';
import { MainPort } from './main-port.ts';
import { MainOrders, type ShardEnding } from './orders.ts';
import { repliesToMain } from './replies-to-main.ts';
import { ShardParts } from './wiring.ts';

/** How long a handler module's own timers and sockets may keep the thread alive after its end. */
const leftoverMs = 500;
/** How long a failed shard waits for main to say `abandon`. */
const failMs = 1_000;

/**
 * One shard: its sockets, its hub, its ends of the rings. Lives in a thread of its own. Here is how it starts and how it
 * ends: drained, failed or abandoned.
 */
export class Shard implements ShardEnding {
  readonly #shard: number;
  readonly #transport: TransportFacts;
  readonly #endThread: (code: number) => void;
  readonly #parts: ShardParts;
  /** How to end the thread after a failure; null: none has happened. */
  #leave: (() => void) | null = null;
  #isDraining = false;
  #closed = false;

  /** `endThread` is the real `process.exit`, which handler modules do not get. */
  constructor(
    start: ShardStart,
    port: MessagePort,
    { create, name, reason }: ChosenTransport,
    endThread: (code: number) => void,
  ) {
    this.#shard = start.shard;
    this.#transport = { name, reason };
    this.#endThread = endThread;
    const replies = repliesToMain({
      transport: () => this.#parts.transport,
      settle: (deadline) => this.settle(deadline),
    });
    this.#parts = new ShardParts({
      start,
      main: new MainPort(port, replies),
      createTransport: create,
      isLeaving: () => this.#closed || this.#isDraining || this.#leave !== null,
    });
    const orders = new MainOrders(this.#parts, this);
    port.on('message', (message: ToShard) => orders.follow(message));
    const { watchdog } = this.#parts.config;
    if (watchdog !== null) showTicks(start.memory, start.shard, watchdog.stalledMs);
  }

  /** Loads the handlers and reports ready. Throws `ERR_HANDLERS_INVALID`. */
  async start(): Promise<void> {
    const { config, publisher, handlers, vitals, bus, main, transport } = this.#parts;
    await handlers.loadModule(config, createShardApi(this.#shard, publisher));
    vitals.state = 'ready';
    // Only now: while a slow module loads, this shard's place in main's ring would hold back the other shards.
    bus.attend(mainThread);
    main.post({ kind: 'ready', app: transport.handle, transport: this.#transport });
  }

  /** An error that no handler's caller saw, such as the rejection of a promise nobody awaits. */
  reportStray(error: unknown): void {
    this.#parts.handlers.reportStray(error);
  }

  /**
   * The thread cannot go on: tells main and the clients, then closes the App and calls `leave`. First main has to stop
   * handing connections to this App: it gets `failMs` for that.
   */
  fail(error: unknown, leave: () => void): void {
    if (this.#leave !== null) return;
    this.#leave = leave;
    const { handshakes, vitals, main, connections } = this.#parts;
    handshakes.refuseUndecided();
    vitals.state = 'ending';
    main.post({
      kind: 'failed',
      code: errorCode(error) ?? 'ERR_SHARD_FAILED',
      text: errorText(error),
      stack: errorStack(error),
    });
    for (const connection of [...connections.values()]) {
      connection.socket?.end(closeCode.serviceRestart, 'shard failed');
    }
    setTimeout(() => this.release(), failMs);
  }

  /**
   * Resolves once what was sent to this shard is published and what it publishes is in its ring, or at `deadline` (as
   * `performance.now()`).
   */
  async settle(deadline: number): Promise<void> {
    const { offload, bus } = this.#parts;
    await whenIdle(() => offload.pending === 0, deadline);
    await bus.flushed(deadline);
  }

  /** Closes every connection within the grace period, then `release`. */
  async drain(order: DrainOrder): Promise<void> {
    const { vitals, transport, handshakes, sealing, connections, bus } = this.#parts;
    const { graceMs } = order;
    this.#isDraining = true;
    vitals.state = 'ending';
    transport.stopListening();
    handshakes.refuseUndecided();
    const { out } = sealing ?? {};
    if (out !== undefined && !(await whenIdle(() => out.isIdle, performance.now() + graceMs / 2))) out.finishNow();
    await drainConnections(connections, graceMs, bus, order);
    this.release();
  }

  /** Closes the App and every port; the thread then ends by itself, or at once after a failure. */
  release(): void {
    if (this.#closed) return;
    const parts = this.#parts;
    // Their end is told now: the transport tells nothing of what it cuts.
    for (const connection of [...parts.connections.values()]) {
      parts.lifecycle.endConnection(connection, 1006, '', 'lost');
    }
    this.#closed = true;
    parts.handshakes.close();
    parts.main.mute();
    parts.watch.stop();
    parts.heapWatch?.stop();
    parts.deadlines.stop();
    parts.handshakes.refuseUndecided();
    parts.reporter.stop();
    parts.vitals.state = 'ended';
    parts.offload.close();
    parts.stopPublishing();
    parts.transport.close();
    parts.board.setShardOpen(this.#shard, false);
    parts.bus.close();
    parts.peers.close();
    parts.keys.close();
    parts.main.close();
    // A handler module may have left something open, such as an interval.
    if (this.#leave === null) setTimeout(() => this.#endThread(0), leftoverMs).unref();
    else this.#leave();
  }
}
