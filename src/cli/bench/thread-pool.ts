import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import type { BenchPlan } from './plan.ts';
import type { TallyReport } from './tally.ts';
import type { ClientThreadData, FromClient, ToClient } from './thread-messages.ts';

export interface ThreadResult {
  readonly report: TallyReport;
  /** Share of the measured time in which the thread was busy, 0 to 1. */
  readonly utilization: number;
}

/** Connects each two threads. */
function meshOf(threads: number): Map<number, MessagePort>[] {
  const mesh = Array.from({ length: threads }, () => new Map<number, MessagePort>());
  for (const [one, ports] of mesh.entries()) {
    for (const [other, otherPorts] of mesh.entries()) {
      if (other <= one) continue;
      const { port1, port2 } = new MessageChannel();
      ports.set(other, port1);
      otherPorts.set(one, port2);
    }
  }
  return mesh;
}

/** The client threads of a run. */
export class ThreadPool {
  readonly #workers: readonly Worker[];
  readonly #results: ThreadResult[] = [];
  readonly #counts = new Map<FromClient['kind'], number>();
  #onNews: () => void = () => undefined;
  /** A thread has ended without a result: the run cannot be believed. */
  failure: Error | null = null;

  constructor(plan: BenchPlan, progress: SharedArrayBuffer, completion: SharedArrayBuffer | null) {
    const mesh = plan.mode === 'fanout' ? meshOf(plan.threads) : [];
    this.#workers = Array.from({ length: plan.threads }, (_, index) => {
      const ports = mesh[index] ?? new Map<number, MessagePort>();
      const workerData: ClientThreadData = { plan, index, progress, completion, ports };
      const transferList = [...ports.values()];
      const worker = new Worker(new URL('./client-thread.js', import.meta.url), { workerData, transferList });
      worker.on('message', (message: FromClient) => this.#onMessage(message));
      worker.on('error', (error) => this.#fail(error));
      worker.on('exit', () => this.#news());
      return worker;
    });
  }

  #onMessage(message: FromClient): void {
    this.#counts.set(message.kind, (this.#counts.get(message.kind) ?? 0) + 1);
    if (message.kind === 'done') this.#results.push(message);
    this.#news();
  }

  #fail(error: unknown): void {
    this.failure ??= error instanceof Error ? error : new Error(String(error));
    this.#news();
  }

  #news(): void {
    this.#onNews();
  }

  tell(message: ToClient): void {
    for (const worker of this.#workers) worker.postMessage(message);
  }

  /** Whether every thread has said this. */
  #haveAll(kind: FromClient['kind']): boolean {
    return (this.#counts.get(kind) ?? 0) === this.#workers.length;
  }

  /** Resolves once every thread has said `kind`, a thread has failed, `over` has settled, or after `limitMs`. */
  async all(kind: FromClient['kind'], limitMs: number, over?: Promise<unknown>): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const said = new Promise<void>((resolve) => {
      this.#onNews = () => {
        if (this.#haveAll(kind) || this.failure !== null) resolve();
      };
      timer = setTimeout(resolve, limitMs);
      this.#news();
    });
    await Promise.race(over === undefined ? [said] : [said, over]);
    clearTimeout(timer);
    return this.#haveAll(kind);
  }

  /** The results of all threads that gave one. Nothing is left of any of them. */
  async end(limitMs: number): Promise<readonly ThreadResult[]> {
    this.tell({ kind: 'finish' });
    const isWhole = await this.all('done', limitMs);
    if (!isWhole) this.failure ??= new Error('a client thread has not ended in time');
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
    return this.#results;
  }
}
