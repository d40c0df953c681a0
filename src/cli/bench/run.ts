import { setTimeout as sleep } from 'node:timers/promises';
import { Completion } from './completion.ts';
import { audienceOf, type BenchPlan, bounds, connectingMs } from './plan.ts';
import { ProgressBoard } from './progress-board.ts';
import { Tally } from './tally.ts';
import type { Schedule } from './thread-messages.ts';
import { ThreadPool } from './thread-pool.ts';
import { now, wholeMicros } from './time.ts';

/** The progress of a run, for its display. */
export type Phase = 'connecting' | 'subscribing' | 'warming up' | 'measuring' | 'finishing';

export interface RunNews {
  readonly phase: Phase;
  /** Progress within the phase, 0 to 1. */
  readonly share: number;
  readonly received: number;
  readonly open: number;
  readonly errors: number;
}

/** The figures of a run, not yet judged. */
export interface RunOutcome {
  readonly tally: Tally;
  /** From the first counted message to the end, or to the last answer if that came later. 0: nothing was measured. */
  readonly elapsedMs: number;
  readonly interrupted: boolean;
  /** Connections that each publish should have reached; 0 unless the mode is `fanout`. */
  readonly audience: number;
  readonly subscribers: number;
  /** Processor time of this process in the measured time. */
  readonly cpuMs: number;
  /** Busy share of each client thread in the measured time. */
  readonly utilization: readonly number[];
}

const lookEveryMs = 20;
const loadingMs = 60_000;
/** Time between the order to start and the start, so that all threads start together. */
const leadMs = 30;

class Run {
  readonly #plan: BenchPlan;
  readonly #board: ProgressBoard;
  readonly #pool: ThreadPool;
  readonly #stop: Promise<unknown>;
  readonly #watch: (news: RunNews) => void;
  readonly #stopped = new AbortController();
  #audience = 0;
  #subscribers = 0;
  #cpu: NodeJS.CpuUsage | null = null;
  #cpuMs = 0;

  constructor(plan: BenchPlan, stop: Promise<unknown>, watch: (news: RunNews) => void) {
    this.#plan = plan;
    this.#watch = watch;
    this.#stop = stop.then(() => this.#stopped.abort());
    const progress = ProgressBoard.memory(plan.threads);
    this.#board = new ProgressBoard(progress, 0);
    this.#pool = new ThreadPool(plan, progress, plan.mode === 'fanout' ? Completion.memory(plan) : null);
  }

  async result(): Promise<RunOutcome> {
    const schedule = await this.#prepare();
    if (schedule !== null) await this.#measure(schedule);
    this.#tell('finishing', 1);
    const results = await this.#pool.end(bounds.behindMs + 2 * bounds.closeMs + this.#plan.connections);
    if (this.#pool.failure !== null) throw this.#pool.failure;
    const tally = new Tally();
    for (const { report } of results) tally.add(report);
    return {
      tally,
      elapsedMs: schedule === null ? 0 : elapsedMs(schedule, tally),
      interrupted: this.#stopped.signal.aborted,
      audience: this.#audience,
      subscribers: this.#subscribers,
      cpuMs: this.#cpuMs,
      utilization: results.map(({ utilization }) => utilization),
    };
  }

  #tell(phase: Phase, share: number): void {
    const board = this.#board;
    this.#watch({
      phase,
      share,
      received: board.sum('received'),
      open: board.sum('open'),
      errors: board.sum('errors'),
    });
  }

  /** Null: there is nothing to measure. */
  async #prepare(): Promise<Schedule | null> {
    const { mode, connections, publishers } = this.#plan;
    const wanted = connections + publishers;
    const look = setInterval(() => this.#tell('connecting', Math.min(1, this.#board.sum('open') / wanted)), 100);
    // Sockets of one thread must not take the file descriptors that another one needs to load its modules.
    await this.#pool.all('ready', loadingMs, this.#stop);
    this.#pool.tell({ kind: 'open' });
    // Each thread bounds its own part of this time, and then reports it.
    const isOpened = await this.#pool.all('opened', connectingMs(this.#plan) + 5_000, this.#stop);
    clearInterval(look);
    if (!isOpened || this.#stopped.signal.aborted) return null;
    if (mode !== 'connect' && this.#board.sum('open') === 0) return null;
    if (mode === 'fanout' && !(await this.#subscribe())) return null;
    const beginMs = wholeMicros(now() + leadMs);
    const measureFromMs = wholeMicros(beginMs + this.#plan.warmupMs);
    return { beginMs, measureFromMs, untilMs: measureFromMs + this.#plan.durationMs };
  }

  /** Whether there are both publishers and receivers. */
  async #subscribe(): Promise<boolean> {
    const publishers = this.#board.sum('openPublishers');
    this.#subscribers = this.#board.sum('open') - publishers;
    if (publishers === 0 || this.#subscribers <= 0) return false;
    this.#audience = audienceOf(this.#plan, this.#subscribers, publishers);
    this.#tell('subscribing', 0);
    this.#pool.tell({ kind: 'probe' });
    await this.#pool.all('reached', this.#plan.timeoutMs, this.#stop);
    return !this.#stopped.signal.aborted;
  }

  async #measure(schedule: Schedule): Promise<void> {
    this.#board.measureFromMs = schedule.measureFromMs;
    this.#pool.tell({ kind: 'go', schedule });
    while (now() < schedule.untilMs) {
      await this.#pause(Math.min(lookEveryMs, Math.max(1, schedule.untilMs - now())));
      const at = now();
      if (at >= schedule.measureFromMs) this.#cpu ??= process.cpuUsage();
      this.#tellTime(schedule, at);
      if (this.#stopped.signal.aborted || this.#pool.failure !== null || this.#isDeserted()) {
        schedule.untilMs = Math.min(schedule.untilMs, at);
        this.#pool.tell({ kind: 'stop', untilMs: schedule.untilMs });
      }
    }
    if (this.#cpu !== null) {
      const { user, system } = process.cpuUsage(this.#cpu);
      this.#cpuMs = (user + system) / 1_000;
    }
    await this.#pool.all('sent', bounds.behindMs);
    // Messages without an answer by then were given up. A run that is ended early waits less, and its messages in
    // flight are not counted.
    const { timeoutMs } = this.#plan;
    const isEarly = this.#stopped.signal.aborted;
    const graceUntil = now() + (isEarly ? Math.min(bounds.earlyMs, timeoutMs) : timeoutMs + bounds.giveUpMs);
    while (!this.#isSettled() && now() < graceUntil && this.#pool.failure === null) {
      this.#tell('finishing', 0);
      await sleep(lookEveryMs);
    }
  }

  /** Cut short when the run ends early. */
  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#stopped.signal }).catch(() => undefined);
  }

  #tellTime({ beginMs, measureFromMs, untilMs }: Schedule, at: number): void {
    if (at < measureFromMs) this.#tell('warming up', Math.max(0, at - beginMs) / (measureFromMs - beginMs));
    else this.#tell('measuring', Math.min(1, (at - measureFromMs) / (untilMs - measureFromMs)));
  }

  /** No connection is left to send or to receive. */
  #isDeserted(): boolean {
    if (this.#plan.mode === 'connect') return false;
    const publishers = this.#board.sum('openPublishers');
    const open = this.#board.sum('open');
    return this.#plan.mode === 'fanout' ? publishers === 0 || open - publishers <= 0 : open === 0;
  }

  /** Whether all sent messages are finished. */
  #isSettled(): boolean {
    const sent = this.#board.sum('sent');
    if (this.#plan.mode === 'fanout') {
      return this.#board.sum('received') >= sent * this.#audience && this.#board.sum('warmingUp') === 0;
    }
    return this.#board.sum('settled') >= sent;
  }
}

function elapsedMs({ measureFromMs, untilMs }: Schedule, { counts }: Tally): number {
  return Math.max(0, Math.max(untilMs, counts.lastReceivedMs) - measureFromMs);
}

/** Runs the plan with threads of its own. `stop` settles when the run must end early. */
export function run(plan: BenchPlan, stop: Promise<unknown>, watch: (news: RunNews) => void): Promise<RunOutcome> {
  return new Run(plan, stop, watch).result();
}
