import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { clientPerShard } from '../engine/shard-pairs.ts';
import { withEngine } from '../support/leaks.ts';
import { until } from '../support/waiting.ts';
import { coming, handlers } from './lost-shards.ts';

describe('the heap of a shard', () => {
  it('is a gauge that shows what its handlers keep', () =>
    withEngine({ handlers }, async (engine) => {
      const [one] = await clientPerShard(engine);
      assert.ok(one);
      const before = engine.stats().shards[0]?.heapUsedBytes ?? 0;
      assert.ok(before > 1_000_000 && before < 40_000_000, `${before}`);
      one.send({ type: 'keep', data: 40 });
      // All that is kept is in the heap. What it grows by can be less: garbage that was counted before may be gone.
      await until(() => (engine.stats().shards[0]?.heapUsedBytes ?? 0) > 40_000_000, 'the gauge to show it');
    }));

  it('that is larger than maxShardHeapBytes makes it restart, before the process is lost', () =>
    withEngine({ handlers, maxShardHeapBytes: 67_108_864 }, async (engine) => {
      const lost: number[] = [];
      engine.on('shard-lost', (shard) => lost.push(shard));
      const [one, two] = await clientPerShard(engine);
      assert.ok(one && two);
      const restarted = coming(engine, 'shard-restarted');
      one.send({ type: 'keep', data: 100 });
      assert.deepEqual(await restarted, [0]);
      assert.equal((await one.closed).code, 3001);
      await two.sync();
      assert.ok((engine.stats().shards[0]?.heapUsedBytes ?? Number.POSITIVE_INFINITY) < 67_108_864);
      assert.deepEqual(lost, []);
    }));
});
