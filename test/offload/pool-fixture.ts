import type { TestContext } from 'node:test';
import { OffloadPool } from '#dist/main/offload/offload-pool.js';
import type { LogFields } from '#dist/shared/bus/ipc.js';
import { assertNothingLeft, openResources } from '../support/leaks.ts';
import type { TestJob } from './offload-job.ts';

export interface PoolBench {
  readonly pool: OffloadPool<TestJob>;
  readonly log: LogFields[];
  failures(): number;
}

interface PoolSettings {
  readonly threads?: number;
  readonly maxQueue?: number;
  readonly timeoutMs?: number;
  /** Name of the module in fixtures/. */
  readonly task?: string;
}

/** A pool with real threads, which is closed after the test, and must leave nothing behind. */
export function createPool(t: TestContext, settings: PoolSettings = {}): PoolBench {
  const { threads = 1, maxQueue = 100, timeoutMs = 15_000, task = 'pool-task' } = settings;
  const before = openResources();
  let failures = 0;
  const log: LogFields[] = [];
  const pool = new OffloadPool<TestJob>({
    filename: new URL(`./fixtures/${task}.js`, import.meta.url),
    threads,
    maxQueue,
    timeoutMs,
    log: (_level, fields) => log.push(fields),
    failed: () => {
      failures += 1;
    },
  });
  t.after(async () => {
    await pool.close();
    await assertNothingLeft(before);
  });
  return { pool, log, failures: () => failures };
}
