import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { MessageChannel, Worker } from 'node:worker_threads';
import { createDoorbells, createRing, targetAll } from '#dist/shared/ring/index.js';
import { targetOf } from './stress-record.ts';
import type { StressReport, StressTask } from './stress-worker.ts';

interface StressOptions {
  readonly capacity: number;
  readonly start: number;
  readonly records: number;
  /** Consumers that read everything. */
  readonly consumers: number;
  /** Consumers that attend and leave again and again. */
  readonly visitors: number;
}

type Finished = Exclude<StressReport, { readonly report: 'attends' }>;

/** Starts the threads, waits until each ended by itself, and returns their reports, the producer's last. */
async function runThreads(t: TestContext, options: StressOptions): Promise<Finished[]> {
  const readers = options.consumers + options.visitors;
  const memory = createRing(options.capacity, readers, options.start);
  const bells = createDoorbells(readers + 1);
  const channels = Array.from({ length: readers }, () => new MessageChannel());
  const reports: Finished[] = [];
  let attending = 0;

  const spawn = (thread: number): Worker => {
    const ports = thread === readers ? channels.map((channel) => channel.port1) : [channelOf(thread).port2];
    const role = thread === readers ? 'produce' : thread < options.consumers ? 'consume' : 'visit';
    const task: StressTask = {
      role,
      memory,
      bells,
      thread,
      consumers: options.consumers,
      records: options.records,
      ports,
      // The first consumer is fast, the others pause now and then, each in its own rhythm.
      pauseMs: thread % 3,
      pauseEvery: thread % 3 === 0 ? Number.MAX_SAFE_INTEGER : 400 * thread,
    };
    const worker = new Worker(new URL('./stress-worker.js', import.meta.url), {
      workerData: task,
      transferList: ports,
    });
    worker.on('message', (message: StressReport) => {
      if (message.report !== 'attends') reports[thread] = message;
      else if (++attending === readers) workers[readers]?.postMessage('go');
    });
    t.after(() => worker.terminate());
    return worker;
  };
  const channelOf = (thread: number): MessageChannel => {
    const channel = channels[thread];
    assert.ok(channel !== undefined);
    return channel;
  };
  const workers = Array.from({ length: readers + 1 }, (_, thread) => spawn(thread));
  const exits = await Promise.all(workers.map((worker) => once(worker, 'exit')));
  assert.deepEqual(
    exits.map(([code]) => code as number),
    workers.map(() => 0),
  );
  assert.equal(reports.length, readers + 1);
  return reports;
}

function recordsFor(thread: number, records: number, consumers: number): number {
  let count = 0;
  for (let number = 0; number < records; number++) {
    const target = targetOf(number, consumers, targetAll);
    if (target === targetAll || target === thread) count += 1;
  }
  return count;
}

test('three threads read 300,000 records through a small ring that wraps and spills, and all end by themselves', {
  timeout: 120_000,
}, async (t) => {
  const options = { capacity: 1 << 16, start: 2 ** 32 - (1 << 20), records: 300_000, consumers: 3, visitors: 0 };
  const reports = await runThreads(t, options);
  const written = reports.at(-1);
  assert.ok(written?.report === 'written');
  assert.ok(written.spilled > 1000, `${written.spilled} records went through the spill queue`);
  assert.ok(written.sleeps > 10, `the producer slept ${written.sleeps} times`);
  let slept = 0;
  for (const [thread, read] of reports.slice(0, -1).entries()) {
    assert.ok(read.report === 'read');
    assert.equal(read.records, recordsFor(thread, options.records, options.consumers));
    slept += read.sleeps;
  }
  assert.ok(slept > 100, `consumers slept ${slept} times`);
  t.diagnostic(JSON.stringify(reports));
});

test('a thread that attends and leaves all the time disturbs nobody and sees whole records in order', {
  timeout: 120_000,
}, async (t) => {
  const options = { capacity: 1 << 16, start: 2 ** 31 - (1 << 20), records: 100_000, consumers: 1, visitors: 1 };
  const reports = await runThreads(t, options);
  const [read, visited] = reports;
  assert.ok(read?.report === 'read' && visited?.report === 'read');
  assert.equal(read.records, recordsFor(0, options.records, options.consumers));
  assert.ok(visited.visits > 100, `${visited.visits} visits`);
  assert.ok(visited.records > 1000, `${visited.records} records`);
  t.diagnostic(JSON.stringify(reports));
});
