import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import { heapLimitBytes } from './heap-limit.ts';
import type { Vitals } from './vitals.ts';

const everyMs = 1_000;
/** Node's monitor samples with a timer of this period, and its results include the period. */
const resolutionMs = 20;
const nanosPerMs = 1_000_000;

function delayMs(recordedNanos: number): number {
  return Math.max(0, recordedNanos / nanosPerMs - resolutionMs);
}

/** Measures this thread and writes it to shared memory about once a second. Keeps no thread alive. */
export class VitalsReporter {
  readonly #vitals: Vitals;
  readonly #histogram: IntervalHistogram = monitorEventLoopDelay({ resolution: resolutionMs });
  readonly #timer: NodeJS.Timeout;
  #last: number = performance.now();

  constructor(vitals: Vitals) {
    this.#vitals = vitals;
    vitals.begin(Date.now());
    this.#histogram.enable();
    this.#report();
    this.#timer = setInterval(() => this.#report(), everyMs).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#histogram.disable();
  }

  #report(): void {
    const now = performance.now();
    const histogram = this.#histogram;
    // After the loop was blocked, this timer may run before the sample that shows it.
    const ownDelay = now - this.#last - everyMs;
    this.#last = now;
    this.#vitals.report(
      {
        loopP50Ms: delayMs(histogram.percentile(50)),
        loopP99Ms: delayMs(histogram.percentile(99)),
        loopMaxMs: Math.max(delayMs(histogram.max), ownDelay, 0),
        heapUsedBytes: getHeapStatistics().used_heap_size,
        heapLimitBytes: heapLimitBytes(),
      },
      Date.now(),
    );
    histogram.reset();
  }
}
