import { Counter, Gauge, Registry } from 'prom-client';
import { counterNames } from '../../shared/memory/counters.ts';
import { counterMetric } from './metric-catalog.ts';
import type { EngineStats, ThreadStats } from './stats.ts';

const prefix = 'shardwire_';
const secondsPerMs = 0.001;

type Metric = Counter | Gauge;
type Labels = Record<string, string>;
type Show = (stats: EngineStats) => void;

/** Each thread with its value of the label `shard`. */
function threadsOf(stats: EngineStats): readonly (readonly [string, ThreadStats])[] {
  return [['main', stats.main], ...stats.shards.map((shard) => [String(shard.shard), shard] as const)];
}

/**
 * The Prometheus page of one engine. It has a registry of its own, so the program's own use of prom-client is not
 * touched. A page takes all its numbers from one reading of shared memory.
 */
export class Metrics {
  readonly #registry = new Registry();
  readonly #metrics = new Map<string, Metric>();
  readonly #shows: Show[] = [];

  constructor() {
    this.#addCounters();
    this.#addByName('closes_total', 'Ends of connections by close code.', 'code', (thread) => thread.closes);
    this.#addByName(
      'handler_errors_total',
      'Errors of handlers and listeners, and faults of the engine, by where they came from.',
      'handler',
      (thread) => thread.handlerErrorsBy,
    );
    this.#addByName(
      'handshakes_refused_total',
      'Requests that were answered with a refusal, by error code.',
      'code',
      (thread) => thread.refusals,
    );
    this.#addThreadGauges();
    this.#addEngineGauges();
  }

  write(stats: EngineStats): Promise<string> {
    for (const metric of this.#metrics.values()) metric.reset();
    for (const show of this.#shows) show(stats);
    return this.#registry.metrics();
  }

  #addCounters(): void {
    for (const name of counterNames) {
      const shape = counterMetric(name);
      if (shape === null) continue;
      const { label, scale = 1 } = shape;
      const add = this.#metric(
        shape.kind,
        shape.name,
        shape.help,
        label === undefined ? ['shard'] : ['shard', label[0]],
      );
      this.#shows.push((stats) => {
        for (const [shard, thread] of threadsOf(stats)) {
          add(label === undefined ? { shard } : { shard, [label[0]]: label[1] }, thread[name] * scale);
        }
      });
    }
  }

  #addByName(
    name: string,
    help: string,
    label: string,
    valuesOf: (thread: ThreadStats) => Readonly<Record<string, number>>,
  ): void {
    const add = this.#metric('counter', name, help, ['shard', label]);
    this.#shows.push((stats) => {
      for (const [shard, thread] of threadsOf(stats)) {
        for (const [value, count] of Object.entries(valuesOf(thread))) add({ shard, [label]: value }, count);
      }
    });
  }

  #addThreadGauges(): void {
    const gauges: readonly (readonly [string, string, (thread: ThreadStats) => number])[] = [
      ['connections', 'Open connections, now.', (thread) => thread.connections],
      ['up', '1 while the thread is ready, else 0.', (thread) => (thread.state === 'ready' ? 1 : 0)],
      [
        'uptime_seconds',
        'Time since the thread began; 0 once it has ended.',
        (thread) => thread.uptimeMs * secondsPerMs,
      ],
      [
        'report_age_seconds',
        'Age of the loop delay and heap figures. More than a few seconds: the event loop is blocked.',
        (thread) => thread.reportAgeMs * secondsPerMs,
      ],
      [
        'event_loop_delay_p50_seconds',
        'Median delay of the event loop in about the last second.',
        (thread) => thread.loopDelay.p50Ms * secondsPerMs,
      ],
      [
        'event_loop_delay_p99_seconds',
        '99th percentile of the delay of the event loop in about the last second.',
        (thread) => thread.loopDelay.p99Ms * secondsPerMs,
      ],
      [
        'event_loop_delay_max_seconds',
        'Greatest delay of the event loop in about the last second.',
        (thread) => thread.loopDelay.maxMs * secondsPerMs,
      ],
      ['heap_used_bytes', 'Used JavaScript heap of the thread.', (thread) => thread.heapUsedBytes],
      [
        'heap_limit_bytes',
        'How large the heap may become before the runtime ends the process.',
        (thread) => thread.heapLimitBytes,
      ],
      [
        'ring_depth_bytes',
        'Bytes that the slowest reader of the ring has yet to read.',
        (thread) => thread.ringDepthBytes,
      ],
    ];
    for (const [name, help, measure] of gauges) {
      const add = this.#metric('gauge', name, help, ['shard']);
      this.#shows.push((stats) => {
        for (const [shard, thread] of threadsOf(stats)) add({ shard }, measure(thread));
      });
    }
  }

  #addEngineGauges(): void {
    const gauges: readonly (readonly [string, string, (stats: EngineStats) => number])[] = [
      ['ready', '1 while the engine takes connections, else 0.', (stats) => (stats.state === 'ready' ? 1 : 0)],
      ['resident_memory_bytes', 'Resident memory of the process.', (stats) => stats.residentBytes],
      ['offload_depth', 'Jobs given to the pool that are not done.', (stats) => stats.offload.depth],
      ['offload_threads', 'Threads of the pool, now.', (stats) => stats.offload.threads],
      ['offload_running', 'Jobs that a thread of the pool is busy with.', (stats) => stats.offload.running],
      ['offload_queue', 'Jobs that wait for a thread of the pool.', (stats) => stats.offload.queue],
    ];
    for (const [name, help, measure] of gauges) {
      const add = this.#metric('gauge', name, help, []);
      this.#shows.push((stats) => add({}, measure(stats)));
    }
  }

  /** A function that adds to a metric. The metric is created when its name is new. */
  #metric(
    kind: 'counter' | 'gauge',
    name: string,
    help: string,
    labelNames: readonly string[],
  ): (labels: Labels, value: number) => void {
    const full = `${prefix}${name}`;
    const registers = [this.#registry];
    const settings = { name: full, help, labelNames: [...labelNames], registers };
    const metric = this.#metrics.get(full) ?? (kind === 'counter' ? new Counter(settings) : new Gauge(settings));
    this.#metrics.set(full, metric);
    return (labels, value) => metric.inc(labels, value);
  }
}
