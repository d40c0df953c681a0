import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { Worker } from 'node:worker_threads';
import { type OffloadConfig, type OffloadRequest, outcomeTransfer } from '#dist/shared/config/offload.js';
import { createEngineMemory, StateBoard } from '#dist/shared/memory/engine-memory.js';
import { until, within } from '../support/waiting.ts';
import type { ShardReport, ShardTask } from './fixtures/shard-thread.ts';
import type { Deed, TestJob } from './offload-job.ts';
import { createPool, type PoolBench } from './pool-fixture.ts';

const thresholdBytes: OffloadConfig['thresholdBytes'] = { seal: 1, open: 1, deflate: 1, inflate: 1 };

/** Starts a thread that hands `deeds` to the pool, and passes on between the two as main does. */
function startShard(task: ShardTask, { pool }: PoolBench): Promise<ShardReport> {
  const worker = new Worker(new URL('./fixtures/shard-thread.js', import.meta.url), { workerData: task });
  return new Promise((resolve, reject) => {
    let report: ShardReport | null = null;
    worker.on('message', (message: OffloadRequest<TestJob> | ShardReport) => {
      if ('delivered' in message) {
        report = message;
        return;
      }
      const { id, job } = message;
      void pool.run(job).then((outcome) => worker.postMessage({ id, outcome }, outcomeTransfer(outcome)));
    });
    worker.on('error', reject);
    worker.on('exit', () => {
      if (report === null) reject(new Error('the thread ended without a report'));
      else resolve(report);
    });
  });
}

/** 250 jobs, of which every so many-th does harm. */
function deedsOf(harm: ReadonlyMap<number, Deed>): Deed[] {
  return Array.from({ length: 250 }, (_, n) => {
    for (const [every, deed] of harm) if (n % every === every - 1) return deed;
    return 'turn';
  });
}

async function runShards(
  t: TestContext,
  config: OffloadConfig,
  deeds: readonly (readonly Deed[])[],
): Promise<readonly ShardReport[]> {
  const bench = createPool(t, config);
  const memory = createEngineMemory(deeds.length, 4_096);
  const reports = await within(
    Promise.all(deeds.map((list) => startShard({ memory, config, deeds: list }, bench))),
    'all shards to end',
    60_000,
  );
  for (const [shard, { delivered, told, wrong, pending }] of reports.entries()) {
    assert.deepEqual(
      delivered,
      told.map((_, n) => n),
      'delivered in order',
    );
    assert.ok(
      told.every((times) => times === 1),
      `shard ${shard}: each job once`,
    );
    assert.deepEqual([wrong, pending], [0, 0]);
  }
  await until(() => new StateBoard(memory).offloadDepth === 0, 'the depth to be zero');
  return reports;
}

describe('jobs of several shards', () => {
  it('all have their right outcome once and in order, when nothing fails', async (t) => {
    const plenty: OffloadConfig = { threads: 2, maxQueue: 500, timeoutMs: 30_000, thresholdBytes };
    const reports = await runShards(t, plenty, [deedsOf(new Map()), deedsOf(new Map([[6, 'refuse']]))]);
    for (const { taken, undone } of reports) {
      assert.deepEqual([taken, undone], [250, 0]);
    }
  });

  it('all have their right outcome once and in order, with threads that crash and hang', async (t) => {
    const scarce: OffloadConfig = { threads: 2, maxQueue: 64, timeoutMs: 1_000, thresholdBytes };
    const reports = await runShards(t, scarce, [
      deedsOf(
        new Map([
          [31, 'exit'],
          [83, 'spin'],
          [11, 'refuse'],
        ]),
      ),
      deedsOf(
        new Map([
          [47, 'stray'],
          [67, 'exit'],
        ]),
      ),
    ]);
    for (const { taken } of reports) assert.ok(taken > 10, `${taken} went to the pool`);
    assert.ok(
      reports.some(({ undone }) => undone > 0),
      'some came back undone',
    );
  });
});
