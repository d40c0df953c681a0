import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { outcomeTransfer } from '#dist/shared/config/offload.js';
import { until } from '../support/waiting.ts';
import { isRight, jobOf, letPass, newGate } from './offload-job.ts';
import { createPool } from './pool-fixture.ts';

describe('the offload pool', () => {
  it('starts no thread before the first job, and no more than allowed', async (t) => {
    const { pool } = createPool(t, { threads: 2 });
    assert.deepEqual(pool.stats, { threads: 0, running: 0, queue: 0 });
    const jobs = Array.from({ length: 50 }, (_, seed) => jobOf('turn', seed, 5_000));
    const answers = jobs.map((job) => pool.run(job));
    assert.deepEqual(pool.stats, { threads: 2, running: 2, queue: 48 });
    for (const [place, outcome] of (await Promise.all(answers)).entries()) {
      const job = jobs[place];
      assert.ok(job !== undefined && outcome !== null && isRight(job, outcome));
    }
    assert.deepEqual(pool.stats, { threads: 2, running: 0, queue: 0 });
  });

  it('does without any thread what cannot be done, if it is allowed none', async (t) => {
    const { pool } = createPool(t, { threads: 0 });
    assert.equal(await pool.run(jobOf('turn')), null);
  });

  it('gives bytes that are the receiver’s own and can be moved on', async (t) => {
    const { pool } = createPool(t);
    for (const deed of ['turn', 'view', 'pooled'] as const) {
      const job = jobOf(deed, 3, 1_000);
      const outcome = await pool.run(job);
      assert.ok(outcome?.ok);
      assert.ok(isRight(job, outcome), deed);
      assert.deepEqual(outcomeTransfer(outcome), [outcome.bytes.buffer], deed);
      outcome.bytes.fill(0);
      assert.deepEqual(job.source, jobOf(deed, 3, 1_000).source, `${deed}: not the source itself`);
    }
  });

  it('tells a refusal with its code, and anything else that a job throws as internal', async (t) => {
    const { pool, failures } = createPool(t);
    const refusal = await pool.run(jobOf('refuse'));
    assert.deepEqual(refusal, { ok: false, code: 'ERR_FORBIDDEN', text: 'this job is refused' });
    const thrown = await pool.run(jobOf('throw'));
    assert.deepEqual(thrown, { ok: false, code: 'ERR_INTERNAL', text: 'this job throws' });
    assert.equal(failures(), 0);
    assert.equal(outcomeTransfer(thrown).length, 0);
  });

  it('answers at once that it is full, and does what it took in order', async (t) => {
    const { pool, failures } = createPool(t, { maxQueue: 3 });
    const gate = newGate();
    const order: number[] = [];
    const answers = Array.from({ length: 10 }, (_, n) =>
      pool.run(jobOf(n === 0 ? 'hold' : 'turn', n, 64, gate)).then((outcome) => {
        if (outcome !== null) order.push(n);
        return outcome;
      }),
    );
    assert.deepEqual(pool.stats, { threads: 1, running: 1, queue: 3 });
    assert.deepEqual(
      await Promise.all(answers.slice(4)),
      Array.from({ length: 6 }, () => null),
    );
    letPass(gate);
    await Promise.all(answers);
    assert.deepEqual(order, [0, 1, 2, 3]);
    assert.equal(failures(), 0);
  });

  it('answers in time what waits too long, and leaves the thread alone that did begin it', async (t) => {
    const { pool, failures } = createPool(t, { timeoutMs: 1_500 });
    await pool.run(jobOf('turn'));
    const gates = [newGate(), newGate()] as const;
    const first = pool.run(jobOf('hold', 1, 64, gates[0]));
    const second = pool.run(jobOf('hold', 2, 64, gates[1]));
    const third = pool.run(jobOf('turn', 3));
    setTimeout(() => letPass(gates[0]), 700);
    const begun = await first;
    assert.ok(begun?.ok);
    assert.equal(await second, null);
    assert.equal(await third, null);
    assert.deepEqual(pool.stats, { threads: 1, running: 1, queue: 0 }, 'the second one runs on');
    letPass(gates[1]);
    await until(() => pool.stats.running === 0, 'the second one to end');
    assert.ok((await pool.run(jobOf('turn')))?.ok);
    assert.deepEqual([pool.stats.threads, failures()], [1, 0]);
  });

  it('does not take a thread for hung because main itself was blocked', async (t) => {
    const { pool, failures } = createPool(t, { timeoutMs: 400 });
    await until(async () => (await pool.run(jobOf('turn'))) !== null, 'a thread');
    const failuresBefore = failures();
    // Not inside the delivery of a message, which would go on to the next one: timers come first then.
    await nextTurn();
    const answer = pool.run(jobOf('turn'));
    Atomics.wait(newGate(), 0, 0, 600);
    assert.ok((await answer)?.ok);
    assert.equal(failures(), failuresBefore);
  });
});

describe('the end of the offload pool', () => {
  it('is at once where nothing ran', async (t) => {
    const { pool } = createPool(t);
    await pool.close();
    assert.equal(await pool.run(jobOf('turn')), null);
    assert.deepEqual(pool.stats, { threads: 0, running: 0, queue: 0 });
  });

  it('lets finish what runs, gives back what waits, and leaves no thread', async (t) => {
    const { pool, failures } = createPool(t, { threads: 2 });
    await Promise.all([pool.run(jobOf('turn')), pool.run(jobOf('turn'))]);
    const gate = newGate();
    const running = [1, 2].map((seed) => pool.run(jobOf('hold', seed, 64, gate)));
    const waiting = [3, 4, 5].map((seed) => pool.run(jobOf('turn', seed)));
    const closed = pool.close();
    assert.equal(pool.close(), closed);
    assert.deepEqual(await Promise.all(waiting), [null, null, null]);
    assert.equal(await pool.run(jobOf('turn')), null);
    letPass(gate);
    for (const outcome of await Promise.all(running)) assert.ok(outcome?.ok);
    await closed;
    assert.deepEqual(pool.stats, { threads: 0, running: 0, queue: 0 });
    assert.equal(failures(), 0);
  });

  it('does not wait for a job that never ends', async (t) => {
    const { pool, failures } = createPool(t, { threads: 2 });
    await Promise.all([pool.run(jobOf('turn')), pool.run(jobOf('turn'))]);
    const answers = [pool.run(jobOf('spin')), pool.run(jobOf('hold', 1, 64, newGate()))];
    await pool.close();
    assert.deepEqual(await Promise.all(answers), [null, null]);
    assert.deepEqual(pool.stats, { threads: 0, running: 0, queue: 0 });
    assert.equal(failures(), 0, 'what close ends is no failure');
  });

  it('comes while a thread is only starting', async (t) => {
    const { pool } = createPool(t, { threads: 2 });
    const answers = [1, 2, 3].map((seed) => pool.run(jobOf('turn', seed)));
    await pool.close();
    for (const outcome of await Promise.all(answers)) assert.ok(outcome === null || outcome.ok);
    assert.equal(pool.stats.threads, 0);
  });
});
