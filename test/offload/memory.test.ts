import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Lane } from '#dist/worker/offload/lane.js';
import { until } from '../support/waiting.ts';
import { type Deed, jobOf } from './offload-job.ts';
import { createPool } from './pool-fixture.ts';
import { ok, PortBench } from './port-fixture.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Fails if more than a few of these are still held by something. */
async function assertFreed(refs: readonly WeakRef<object>[]): Promise<void> {
  let held = refs.length;
  await until(() => {
    collect();
    held = refs.filter((ref) => ref.deref() !== undefined).length;
    // A stack or a compiler may hold the last ones.
    return held <= 10;
  }, 'what nothing needs to be freed');
}

describe('what is done is not kept', () => {
  it('by the pool, however a job ended', async (t) => {
    const { pool } = createPool(t, { threads: 2, maxQueue: 1_000, timeoutMs: 5_000 });
    const refs: WeakRef<object>[] = [];
    const ask = (deed: Deed, seed: number): Promise<unknown> => {
      const job = jobOf(deed, seed, 10_000);
      refs.push(new WeakRef(job.source));
      return pool.run(job);
    };
    const deeds: readonly Deed[] = ['turn', 'refuse', 'turn', 'throw', 'turn', 'view', 'turn'];
    for (let round = 0; round < 5; round++) {
      await Promise.all(Array.from({ length: 60 }, (_, n) => ask(n === 30 ? 'exit' : (deeds[n % 7] ?? 'turn'), n)));
    }
    await assertFreed(refs);
  });

  it('by the port, although the pool has not answered yet', async () => {
    const bench = new PortBench({ maxQueue: 1_000 });
    const refs: WeakRef<object>[] = [];
    for (let seed = 0; seed < 200; seed++) {
      const job = jobOf('turn', seed, 10_000);
      refs.push(new WeakRef(job.source));
      const ticket = bench.port.submit(job, () => undefined);
      // What was posted is kept by the fixture only.
      bench.posted.length = 0;
      if (seed % 2 === 0) ticket?.finishNow();
      else bench.port.settle({ id: seed + 1, outcome: ok });
    }
    assert.deepEqual([bench.port.pending, bench.board.offloadDepth], [0, 100]);
    await assertFreed(refs);
    bench.port.close();
    bench.assertSettled();
  });

  it('by a lane that never runs empty', async () => {
    const lane = new Lane(
      () => undefined,
      () => undefined,
    );
    const refs: WeakRef<object>[] = [];
    let last = lane.pushPending(1);
    for (let n = 0; n < 5_100; n++) {
      const frame = new Uint8Array(1_000);
      refs.push(new WeakRef(frame));
      lane.pushReady(frame);
      const next = lane.pushPending(1);
      last.fill(new Uint8Array(1));
      last = next;
    }
    assert.equal(lane.length, 1);
    await assertFreed(refs);
  });
});
