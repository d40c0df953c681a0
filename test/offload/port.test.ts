import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { MessageChannel } from 'node:worker_threads';
import type { OffloadAnswer } from '#dist/shared/config/offload.js';
import { until } from '../support/waiting.ts';
import { isRight, jobOf, newGate, performHere } from './offload-job.ts';
import { ok, PortBench } from './port-fixture.ts';

/** Counts the timers that are set from here on. */
function countTimers(t: TestContext): () => number {
  const set = t.mock.method(globalThis, 'setTimeout');
  return () => set.mock.callCount();
}

describe('the offload port', () => {
  it('posts a job and tells its outcome once, when the answer comes', async () => {
    const bench = new PortBench();
    const { job } = bench.submit();
    await nextTurn();
    assert.deepEqual(bench.posted, [{ id: bench.posted[0]?.id, job }]);
    assert.deepEqual([bench.told, bench.port.pending, bench.board.offloadDepth], [[], 1, 1]);
    bench.answer(0, ok);
    bench.answer(0, ok);
    bench.answer(0, null);
    assert.deepEqual(bench.told, [{ job, outcome: ok }]);
    assert.deepEqual(bench.counts, { taken: 1, full: 0, failed: 0, late: 0 });
    bench.assertSettled();
  });

  it('tells a refusal as it comes', () => {
    const bench = new PortBench();
    const { job } = bench.submit();
    const refusal = { ok: false, code: 'ERR_FORBIDDEN', text: 'no' } as const;
    bench.answer(0, refusal);
    assert.deepEqual(bench.told, [{ job, outcome: refusal }]);
    assert.equal(bench.isTaken(), true, 'a job that is refused is no failure of the pool');
    bench.port.close();
  });

  it('matches answers that come in another order', () => {
    const bench = new PortBench();
    const jobs = [1, 2, 3].map((seed) => bench.submit('turn', seed).job);
    for (const place of [1, 2, 0]) bench.answer(place, ok);
    assert.deepEqual(
      bench.told.map(({ job }) => job),
      [jobs[1], jobs[2], jobs[0]],
    );
    bench.assertSettled();
  });

  it('takes nothing without a pool', () => {
    const bench = new PortBench({ threads: 0 });
    assert.equal(bench.isTaken(), false);
    assert.deepEqual(bench.counts, { taken: 0, full: 0, failed: 0, late: 0 });
    bench.assertSettled();
  });

  it('takes no more than may be out in all shards together, and counts what it did not take', () => {
    const bench = new PortBench({ maxQueue: 3 });
    assert.equal(bench.board.enterOffload(3), true, 'a job of another shard');
    bench.submit();
    bench.submit();
    assert.equal(bench.isTaken(), false);
    assert.deepEqual(bench.counts, { taken: 2, full: 1, failed: 0, late: 0 });
    bench.answer(0, ok);
    bench.submit();
    bench.answer(1, ok);
    bench.answer(2, ok);
    bench.board.leaveOffload();
    bench.assertSettled();
  });

  it('does a job itself that comes back undone, later and once, and rests', async () => {
    const bench = new PortBench();
    const jobs = [bench.submit('turn', 1).job, bench.submit('refuse', 2).job, bench.submit('throw', 3).job];
    for (const place of [0, 1, 2]) bench.answer(place, null);
    assert.deepEqual(bench.told, []);
    assert.equal(bench.isTaken(), false);
    await until(() => bench.told.length === 3, 'the jobs to be done here');
    bench.assertDoneHere(jobs);
    assert.deepEqual(bench.counts, { taken: 3, full: 0, failed: 3, late: 0 });
    bench.assertSettled();
    await until(() => bench.isTaken(), 'the rest to be over');
    bench.port.close();
  });

  it('does a job itself that main does not answer, and ignores the answer that comes after all', async () => {
    const bench = new PortBench({ timeoutMs: 10 });
    const { job } = bench.submit();
    await until(() => bench.told.length > 0, 'the job to be done here');
    bench.assertDoneHere([job]);
    assert.deepEqual(bench.counts, { taken: 1, full: 0, failed: 0, late: 1 });
    bench.assertSettled();
    bench.answer(0, ok);
    assert.equal(bench.told.length, 1);
    assert.equal(bench.isTaken(), false, 'it rests');
    bench.assertSettled();
  });

  it('finds every late job, also when an older one was answered in time', async () => {
    const bench = new PortBench({ timeoutMs: 10 });
    bench.submit('turn', 1);
    const second = bench.submit('turn', 2).job;
    bench.answer(0, ok);
    await until(() => bench.told.length === 2, 'the second job to be done here');
    assert.deepEqual(bench.told[1]?.job, second);
    assert.equal(bench.counts.late, 1);
    bench.assertSettled();
  });

  it('does not take an answer for late because this thread itself was blocked', async (t) => {
    const bench = new PortBench({ timeoutMs: 10 });
    const { port1, port2 } = new MessageChannel();
    t.after(() => port1.close());
    port1.on('message', (answer: OffloadAnswer) => bench.port.settle(answer));
    bench.submit();
    port2.postMessage({ id: bench.posted[0]?.id ?? 0, outcome: ok } satisfies OffloadAnswer);
    Atomics.wait(newGate(), 0, 0, 700);
    await until(() => bench.told.length > 0, 'the answer');
    assert.deepEqual(bench.told[0]?.outcome, ok);
    assert.deepEqual(bench.counts, { taken: 1, full: 0, failed: 0, late: 0 });
    bench.assertSettled();
  });

  it('finishNow does the job at once; the pool’s answer only makes room for another', () => {
    const bench = new PortBench();
    const ticket = bench.submit();
    ticket.finishNow();
    ticket.finishNow();
    bench.assertDoneHere([ticket.job]);
    assert.deepEqual([bench.port.pending, bench.board.offloadDepth], [0, 1]);
    bench.answer(0, ok);
    ticket.finishNow();
    assert.equal(bench.told.length, 1);
    bench.assertSettled();
  });

  it('finishNow of a job that came back undone does it before its turn', async () => {
    const bench = new PortBench();
    const first = bench.submit('turn', 1);
    const second = bench.submit('turn', 2);
    bench.answer(0, null);
    bench.answer(1, null);
    second.finishNow();
    bench.assertDoneHere([second.job]);
    await until(() => bench.board.offloadDepth === 0, 'the other one, and room for both');
    bench.assertDoneHere([second.job, first.job]);
    bench.assertSettled();
  });

  it('gives room back for a job that was finished here and never answered', async () => {
    const bench = new PortBench({ timeoutMs: 10 });
    bench.submit().finishNow();
    await until(() => bench.board.offloadDepth === 0, 'its room');
    assert.deepEqual([bench.told.length, bench.counts.late], [1, 0]);
  });

  it('close forgets what is out: nothing is told, taken or counted any more', async () => {
    const bench = new PortBench();
    const tickets = [1, 2, 3, 4].map((seed) => bench.submit('turn', seed));
    tickets[0]?.finishNow();
    bench.answer(1, null);
    bench.port.close();
    bench.port.close();
    bench.assertSettled();
    for (const [place, ticket] of tickets.entries()) {
      bench.answer(place, place === 2 ? null : ok);
      ticket.finishNow();
    }
    await nextTurn();
    assert.equal(bench.told.length, 1);
    assert.equal(bench.isTaken(), false);
    bench.assertSettled();
  });

  it('can be closed by an outcome', async () => {
    const bench = new PortBench();
    for (const seed of [1, 2, 3]) {
      assert.ok(
        bench.port.submit(jobOf('turn', seed), (outcome) => {
          bench.told.push({ job: jobOf('turn', seed), outcome });
          bench.port.close();
        }) !== null,
      );
    }
    for (const place of [0, 1, 2]) bench.answer(place, null);
    await nextTurn();
    await nextTurn();
    assert.equal(bench.told.length, 1);
    bench.assertSettled();
  });

  it('gives a job back to the caller that cannot be posted', () => {
    const bench = new PortBench({}, performHere, () => {
      throw new Error('cannot be cloned');
    });
    assert.equal(bench.isTaken(), false);
    assert.deepEqual(bench.counts, { taken: 0, full: 0, failed: 1, late: 0 });
    bench.assertSettled();
  });

  it('owes nobody an outcome because another one’s callback threw', async (t) => {
    const bench = new PortBench();
    const uncaught: unknown[] = [];
    const onUncaught = (error: unknown): void => {
      uncaught.push(error);
    };
    // What a callback throws is its owner's failure, and must not be hidden; here it is expected.
    const before = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    process.on('uncaughtException', onUncaught);
    t.after(() => {
      process.removeListener('uncaughtException', onUncaught);
      for (const listener of before) process.on('uncaughtException', listener);
    });
    assert.ok(
      bench.port.submit(jobOf('turn'), () => {
        throw new Error('the owner fails');
      }) !== null,
    );
    const { job } = bench.submit();
    bench.answer(0, null);
    bench.answer(1, null);
    await until(() => bench.told.length === 1, 'the other one');
    bench.assertDoneHere([job]);
    assert.match(String(uncaught), /the owner fails/);
    assert.equal(uncaught.length, 1);
    bench.assertSettled();
  });

  it('lets the loop turn between jobs that came back all at once', async () => {
    const bench = new PortBench({ maxQueue: 1_000 }, (job) => {
      const until = performance.now() + 2;
      while (performance.now() < until);
      return performHere(job);
    });
    for (let seed = 0; seed < 200; seed++) bench.submit('turn', seed);
    for (let place = 0; place < 200; place++) bench.answer(place, null);
    let turns = 0;
    while (bench.told.length < 200) {
      await nextTurn();
      turns += 1;
    }
    assert.ok(turns >= 20, `${turns} turns`);
    assert.ok(bench.told.every(({ job, outcome }) => isRight(job, outcome)));
    bench.assertSettled();
  });

  it('needs one timer for all jobs, and none when none is out', (t) => {
    const timersSet = countTimers(t);
    const cleared = t.mock.method(globalThis, 'clearTimeout');
    const bench = new PortBench({ maxQueue: 1_000 });
    assert.equal(timersSet(), 0);
    for (let seed = 0; seed < 1_000; seed++) bench.submit('turn', seed);
    assert.equal(timersSet(), 1);
    for (let place = 0; place < 1_000; place++) bench.answer(place, ok);
    assert.deepEqual([timersSet(), cleared.mock.callCount()], [1, 1]);
    bench.submit();
    bench.port.close();
    assert.deepEqual([timersSet(), cleared.mock.callCount()], [2, 2]);
  });
});

describe('the depth of the pool on the board', () => {
  it('lets in as many as allowed and never goes beyond', () => {
    const { board } = new PortBench();
    assert.deepEqual(
      Array.from({ length: 5 }, () => board.enterOffload(3)),
      [true, true, true, false, false],
    );
    assert.equal(board.offloadDepth, 3);
    board.leaveOffload();
    assert.equal(board.enterOffload(3), true);
    for (let i = 0; i < 3; i++) board.leaveOffload();
    assert.equal(board.offloadDepth, 0);
    assert.equal(board.enterOffload(0), false);
    assert.equal(board.offloadDepth, 0);
  });

  it('shares no word with another state', () => {
    const { board } = new PortBench();
    board.engine = 'ready';
    board.interest = 5;
    board.setShardOpen(0, true);
    for (let i = 0; i < 7; i++) board.enterOffload(100);
    assert.deepEqual([board.engine, board.interest, board.isShardOpen(0), board.offloadDepth], ['ready', 5, true, 7]);
    board.setShardOpen(0, false);
    assert.equal(board.offloadDepth, 7);
  });
});
