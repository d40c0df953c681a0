import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { until, within } from '../support/waiting.ts';
import { isRight, jobOf, letPass, newGate, performHere, type TestJob } from './offload-job.ts';
import { createPool, type PoolBench } from './pool-fixture.ts';

async function assertWorks({ pool }: PoolBench): Promise<void> {
  const job = jobOf('turn', 77, 1_000);
  const outcome = await pool.run(job);
  assert.ok(outcome !== null && isRight(job, outcome));
}

describe('a failure in the offload pool', () => {
  it('a thread that exits loses its job only, and is replaced', async (t) => {
    const bench = createPool(t);
    await assertWorks(bench);
    assert.equal(await bench.pool.run(jobOf('exit')), null);
    await assertWorks(bench);
    assert.equal(bench.failures(), 1);
    await until(() => bench.pool.stats.threads === 1, 'the lost thread to be forgotten');
  });

  it('what waits for a thread that exits is done by the next one', async (t) => {
    const bench = createPool(t);
    const lost = bench.pool.run(jobOf('exit'));
    const jobs = [1, 2, 3].map((seed) => jobOf('turn', seed));
    const outcomes = await Promise.all(jobs.map((job) => bench.pool.run(job)));
    assert.equal(await lost, null);
    for (const [place, job] of jobs.entries()) {
      const outcome = outcomes[place];
      assert.ok(outcome !== undefined && outcome !== null && isRight(job, outcome));
    }
    assert.equal(bench.failures(), 1);
  });

  it('a thread that never ends its job is ended and replaced; the others go on', async (t) => {
    const bench = createPool(t, { threads: 2, timeoutMs: 1_500 });
    await Promise.all([assertWorks(bench), assertWorks(bench)]);
    const hung = bench.pool.run(jobOf('spin'));
    for (let i = 0; i < 20; i++) await assertWorks(bench);
    assert.equal(await hung, null);
    await until(() => bench.failures() === 1, 'the thread to be given up');
    assert.equal(bench.log[0]?.['reason'], 'a job took too long');
    await assertWorks(bench);
    await until(() => bench.pool.stats.threads <= 2, 'the hung thread to end');
  });

  it('what a job throws later ends the idle thread, not the process, and no other job is lost', async (t) => {
    const bench = createPool(t);
    const gate = newGate();
    const job = jobOf('stray', 1, 64, gate);
    const outcome = await bench.pool.run(job);
    assert.ok(outcome !== null && isRight(job, outcome));
    letPass(gate);
    await until(() => bench.failures() === 1, 'the thread to fail');
    assert.equal(bench.log[0]?.['reason'], 'nobody looks');
    await until(() => bench.pool.stats.threads === 0, 'the thread to end');
    await assertWorks(bench);
    assert.equal(bench.failures(), 1);
  });

  it('a job that cannot be posted is not done, and harms no other', async (t) => {
    const bench = createPool(t);
    const unpostable = { ...jobOf('turn'), extra: () => undefined };
    assert.equal(await bench.pool.run(unpostable), null);
    await assertWorks(bench);
    assert.equal(await bench.pool.run(unpostable), null);
    await assertWorks(bench);
    assert.equal(bench.failures(), 2);
  });

  it('threads that fail again and again are left alone, for longer each time, and used again when they work', async (t) => {
    const bench = createPool(t);
    let answers = 0;
    while (bench.log.filter((fields) => fields['restMs'] !== 0).length < 2) {
      assert.equal(await bench.pool.run(jobOf('exit')), null);
      answers += 1;
      // A rest answers without any thread.
      if (answers > 10) await new Promise((resolve) => setTimeout(resolve, 5));
    }
    assert.equal(bench.failures(), 4, 'three, a rest of a second, one more, a rest of two');
    assert.deepEqual(
      bench.log.map((fields) => fields['restMs']).filter((ms) => ms !== 0),
      [1_000, 2_000],
    );
    assert.equal(await bench.pool.run(jobOf('turn')), null, 'it rests');
    await until(async () => (await bench.pool.run(jobOf('turn'))) !== null, 'the rest to be over');
    assert.equal(await bench.pool.run(jobOf('exit')), null);
    await assertWorks(bench);
    assert.equal(bench.failures(), 5);
  });

  it('what is lost because the pool rests is no failure of its own', async (t) => {
    const bench = createPool(t, { threads: 4 });
    await Promise.all([1, 2, 3, 4].map(() => assertWorks(bench)));
    const bystanders = [1, 2, 3].map((seed) => bench.pool.run(jobOf('hold', seed, 64, newGate())));
    for (let i = 0; i < 3; i++) assert.equal(await bench.pool.run(jobOf('exit')), null);
    assert.deepEqual(await Promise.all(bystanders), [null, null, null]);
    await until(() => bench.pool.stats.running === 0, 'all to be given up');
    assert.equal(bench.failures(), 3);
  });

  for (const [task, reason] of [
    ['throwing-task', /this module does not load/],
    ['leaving-task', /ended before it was ready/],
    ['missing-task', /Cannot find module/],
    ['odd-task', /something else than an outcome/],
  ] as const) {
    it(`${task}: a module that cannot work costs three threads and then a rest, and every job is answered`, async (t) => {
      const bench = createPool(t, { threads: 2, task });
      const answers = await within(
        Promise.all(Array.from({ length: 40 }, (_, seed) => bench.pool.run(jobOf('turn', seed)))),
        'all answers',
      );
      assert.ok(answers.every((outcome) => outcome === null));
      while (bench.log.every((fields) => fields['restMs'] === 0)) {
        assert.equal(await within(bench.pool.run(jobOf('turn')), 'an answer'), null);
      }
      assert.ok(bench.failures() >= 3 && bench.failures() <= 4, `${bench.failures()} failures`);
      assert.match(String(bench.log[0]?.['reason']), reason);
      for (let i = 0; i < 1_000; i++) assert.equal(await bench.pool.run(jobOf('turn')), null);
      assert.ok(bench.failures() <= 4, 'nothing is tried during a rest');
      await until(() => bench.pool.stats.threads === 0, 'the threads to end');
    });
  }

  it('a module that never finishes loading costs no more than the time limit, and close ends its threads', async (t) => {
    const bench = createPool(t, { threads: 2, timeoutMs: 300, task: 'hanging-task' });
    const answers = Array.from({ length: 20 }, (_, seed) => bench.pool.run(jobOf('turn', seed)));
    assert.ok((await within(Promise.all(answers), 'all answers')).every((outcome) => outcome === null));
    while (bench.log.every((fields) => fields['restMs'] === 0)) {
      assert.equal(await within(bench.pool.run(jobOf('turn')), 'an answer'), null);
    }
    assert.ok(bench.pool.stats.threads <= 2);
    await until(() => bench.pool.stats.threads === 0, 'the rest to end the threads');
    await until(async () => {
      const answer = bench.pool.run(jobOf('turn'));
      return bench.pool.stats.running === 1 && (await answer) === null;
    }, 'it to be tried again');
    await bench.pool.close();
    assert.equal(bench.pool.stats.threads, 0);
  });

  it('500 jobs with crashes, hangs and strays among them: each is answered, and rightly or not at all', async (t) => {
    const bench = createPool(t, { threads: 2, maxQueue: 1_000, timeoutMs: 1_000 });
    let state = 12_345;
    const random = (): number => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return state / 2 ** 32;
    };
    let done = 0;
    let undone = 0;
    const run = async (seed: number): Promise<void> => {
      const dice = random();
      const deed =
        dice < 0.02 ? 'exit' : dice < 0.025 ? 'spin' : dice < 0.035 ? 'stray' : dice < 0.1 ? 'refuse' : 'turn';
      const job: TestJob = jobOf(deed, seed, 1 + Math.floor(random() * 20_000));
      const outcome = await bench.pool.run(job);
      if (outcome === null) undone += 1;
      else {
        done += 1;
        assert.ok(isRight(job, outcome), `${deed} ${seed}`);
      }
      if (outcome === null && deed !== 'refuse') assert.ok(isRight(job, { ok: true, bytes: performHere(job) }));
    };
    // Ten askers, so that some jobs wait and others do not.
    let next = 0;
    const ask = async (): Promise<void> => {
      while (next < 500) await run(next++);
    };
    await Promise.all(Array.from({ length: 10 }, ask));
    assert.equal(done + undone, 500);
    assert.ok(done > 300, `${done} done`);
    assert.ok(bench.failures() > 0);
    assert.deepEqual([bench.pool.stats.running, bench.pool.stats.queue], [0, 0]);
  });
});
