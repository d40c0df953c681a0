import type { MessagePort } from 'node:worker_threads';
import type { DrainOrder, ShardStart, ToShard } from '../../shared/bus/ipc.ts';
import { closeCode, errorCode, errorStack, errorText } from '../../shared/errors/index.ts';
import { mainThread } from '../../shared/memory/engine-memory.ts';
import { showTicks } from '../../shared/memory/ticks.ts';
import { loadHandlers } from '../handlers/handler-host.ts';
import type { CreateTransport } from '../transport/transport.ts';
import { drainConnections, whenIdle } from './drain.ts';
import { MainPort } from './main-port.ts';
import { MainOrders, type ShardEnding } from './orders.ts';
import { repliesToMain } from './replies-to-main.ts';
import { ShardParts } from './wiring.ts';

const leftoverMs = 500;
/** How long a failed shard waits for main's word. */
const failMs = 1_000;

/**
 * One shard: its sockets, its hub, its ends of the rings. Lives in a thread of its own. Here is how it starts and how it
 * ends: drained, failed or abandoned.
 */
export class Shard implements ShardEnding {
  readonly #shard: number;
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
    createTransport: CreateTransport,
    endThread: (code: number) => void,
  ) {
    this.#shard = start.shard;
    this.#endThread = endThread;
    const replies = repliesToMain({
      transport: () => this.#parts.transport,
      settle: (deadline) => this.settle(deadline),
    });
    this.#parts = new ShardParts({
      start,
      main: new MainPort(port, replies),
      createTransport,
      isLeaving: () => this.#closed || this.#isDraining || this.#leave !== null,
    });
    const orders = new MainOrders(this.#parts, this);
    port.on('message', (message: ToShard) => orders.follow(message));
    const { watchdog } = this.#parts.config;
    if (watchdog !== null) showTicks(start.memory, start.shard, watchdog.stalledMs);
  }

  /** Loads the handlers and reports ready. Throws `ERR_HANDLERS_INVALID`. */
  async start(): Promise<void> {
    const { config, router, intake, hook, vitals, bus, main, transport } = this.#parts;
    intake.handlers = await loadHandlers(config, router.api());
    hook.handlers = intake.handlers;
    vitals.state = 'ready';
    // Not before: a module that takes its time would hold back what main publishes for the others.
    bus.attend(mainThread);
    main.post({ kind: 'ready', app: transport.handle });
  }

  /** An error that no handler's caller saw, such as the rejection of a promise nobody awaits. */
  reportStray(error: unknown): void {
    this.#parts.guard.failed('stray', null, error);
  }

  /**
   * The thread cannot go on: tell main and the clients, then close the App and call `leave`. Not before main has seen to
   * it that nobody hands this App another connection, or has not done so in time.
   */
  fail(error: unknown, leave: () => void): void {
    if (this.#leave !== null) return;
    this.#leave = leave;
    const { reception, vitals, main, connections } = this.#parts;
    reception.refuseUndecided();
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
    const { vitals, transport, reception, sealing, connections, bus } = this.#parts;
    const { graceMs } = order;
    this.#isDraining = true;
    vitals.state = 'ending';
    transport.stopListening();
    reception.refuseUndecided();
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
    for (const connection of [...parts.connections.values()]) parts.reception.end(connection, 1006, '', 'lost');
    this.#closed = true;
    parts.reception.close();
    parts.main.mute();
    parts.watch.stop();
    parts.stopHeapBrake();
    parts.intake.stop();
    parts.reception.refuseUndecided();
    parts.reporter.stop();
    parts.vitals.state = 'ended';
    parts.offload.close();
    parts.router.close();
    parts.transport.close();
    parts.board.setShardOpen(this.#shard, false);
    parts.bus.close();
    parts.peers.close();
    parts.keys.close();
    parts.main.close();
    // What a handler module left open, such as an interval, does not hold the engine's close up for longer than this.
    if (this.#leave === null) setTimeout(() => this.#endThread(0), leftoverMs).unref();
    else this.#leave();
  }
}
