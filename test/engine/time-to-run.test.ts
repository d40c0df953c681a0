import assert from 'node:assert/strict';
import { test } from 'node:test';
import { timeToRun } from '#dist/main/threads/time-to-run.js';
import { until } from '../support/waiting.ts';

/** Holds this thread up, as a machine that is suspended does. */
function freeze(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

test('time in which the process was held up hardly counts, and time in which it ran does', async () => {
  let isOver = false;
  const never = new AbortController();
  void timeToRun(500, never.signal).then(() => {
    isOver = true;
  });
  for (let i = 0; i < 3; i++) {
    freeze(400);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(isOver, false, `${i + 1} times 400 ms were not 500 ms to run in`);
  }
  await until(() => isOver, 'the end of 500 ms to run in');
});

test('an abort ends it at once, before and while it waits', async () => {
  const aborted = new AbortController();
  const waiting = timeToRun(3_600_000, aborted.signal);
  aborted.abort();
  await waiting;
  await timeToRun(3_600_000, aborted.signal);
});
