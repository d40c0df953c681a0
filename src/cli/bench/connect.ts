import { setMaxListeners } from 'node:events';
import { errorText } from '../../shared/errors/index.ts';
import type { BenchClient } from './client.ts';
import { countError, type Recorders } from './connection-group.ts';
import { errorKind } from './error-kind.ts';
import { Pacer } from './pacer.ts';
import { Peer } from './peer.ts';
import type { BenchPlan } from './plan.ts';
import { messageTemplate } from './template.ts';
import type { Schedule } from './thread-messages.ts';
import { now } from './time.ts';

/** Opens connections and closes them, a bounded number at a time. A sealed one is open when its hello was read. */
export class ConnectClient implements BenchClient {
  readonly #plan: BenchPlan;
  readonly #index: number;
  readonly #recorders: Recorders;
  readonly #isText: boolean;
  readonly #stop = new AbortController();
  readonly #running = new Set<Promise<void>>();
  #places = 0;

  #pacer: Pacer | null = null;

  constructor(plan: BenchPlan, index: number, recorders: Recorders) {
    this.#plan = plan;
    this.#index = index;
    this.#recorders = recorders;
    this.#isText = messageTemplate(plan).isText;
    // One listener for each handshake that is going on.
    setMaxListeners(0, this.#stop.signal);
  }

  open(numbers: readonly number[]): Promise<void> {
    this.#places = numbers.length;
    return Promise.resolve();
  }

  start(schedule: Schedule): void {
    if (this.#plan.ratePerSecond > 0) {
      this.#pacer = new Pacer(schedule, this.#plan, this.#index, (dueMs) => this.#connectDue(dueMs));
      this.#pacer.start();
      return;
    }
    for (let place = 0; place < this.#places; place++) this.#keep(this.#again(schedule));
  }

  #keep(promise: Promise<void>): void {
    this.#running.add(promise);
    void promise.finally(() => this.#running.delete(promise));
  }

  async #again(schedule: Schedule): Promise<void> {
    let failures = 0;
    while (now() < schedule.untilMs) {
      failures = (await this.#connect(now())) ? 0 : failures + 1;
      // A server that refuses at once would otherwise be tried as fast as this thread can.
      if (failures > 0) await new Promise((resolve) => setTimeout(resolve, Math.min(100, 2 ** failures)));
    }
  }

  #connectDue(dueMs: number): void {
    const isCounted = this.#isCounted(dueMs);
    if (this.#running.size < this.#places) {
      if (isCounted) this.#recorders.tally.late(dueMs, now());
      this.#keep(this.#connect(dueMs).then(() => undefined));
    } else if (isCounted) {
      this.#recorders.tally.counts.rateMissed += 1;
    }
  }

  #isCounted(timeMs: number): boolean {
    return this.#recorders.progress.isCounted(timeMs);
  }

  /** Whether the handshake succeeded. */
  async #connect(timeMs: number): Promise<boolean> {
    const { tally, progress } = this.#recorders;
    const isCounted = this.#isCounted(timeMs);
    progress.add('sent', 1);
    if (isCounted) tally.counts.sent += 1;
    try {
      const peer = await Peer.open(this.#plan, this.#isText, this.#stop.signal);
      const atMs = now();
      if (isCounted) {
        tally.answered(timeMs, atMs, 0);
        tally.handshake(atMs - timeMs);
        tally.counts.opened += 1;
        progress.add('received', 1);
      }
      progress.add('settled', 1);
      await peer.close();
      return true;
    } catch (error) {
      progress.add('settled', 1);
      if (!this.#stop.signal.aborted) countError(this.#recorders, errorKind(error), errorText(error));
      return false;
    }
  }

  get isBehind(): boolean {
    return this.#pacer?.isOver === false;
  }

  async finish(): Promise<void> {
    const { counts } = this.#recorders.tally;
    counts.rateMissed += this.#pacer?.abandon() ?? 0;
    counts.unanswered = counts.sent - counts.received;
    this.#stop.abort(new Error('the run is over'));
    await Promise.all(this.#running);
  }
}
