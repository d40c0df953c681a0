import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RestartPolicy } from '#dist/main/threads/restart-policy.js';
import { fc } from '../support/properties.ts';

const config = { maxRestarts: 5, windowMs: 60_000, backoffMs: 100, maxBackoffMs: 1_000 };

describe('when a shard is started again', () => {
  it('the pause doubles with each failure in the window, up to its bound, and then it ends', () => {
    const policy = new RestartPolicy(config);
    const delays = [0, 1, 2, 3, 4, 5, 6].map((second) => policy.failed(second * 1_000));
    assert.deepEqual(delays, [100, 200, 400, 800, 1_000, -1, -1]);
  });

  it('failures that are older than the window do not count', () => {
    const policy = new RestartPolicy(config);
    for (let failure = 0; failure < 100; failure++) assert.equal(policy.failed(failure * 60_000), 100);
  });

  it('forgiving begins anew', () => {
    const policy = new RestartPolicy({ ...config, maxRestarts: 1 });
    assert.equal(policy.failed(0), 100);
    assert.equal(policy.failed(1), -1);
    policy.forgive();
    assert.equal(policy.failed(2), 100);
  });

  it('never more than maxRestarts starts are in any window, and no pause is beyond its bound', () =>
    fc.assert(
      fc.property(
        fc.array(fc.nat(30_000), { minLength: 1, maxLength: 200 }),
        fc.record({
          maxRestarts: fc.nat(8),
          windowMs: fc.integer({ min: 1_000, max: 100_000 }),
          backoffMs: fc.nat(1_000),
          maxBackoffMs: fc.nat(10_000),
        }),
        (gaps, random) => {
          const policy = new RestartPolicy(random);
          const starts: number[] = [];
          let now = 0;
          for (const gap of gaps) {
            now += gap;
            const delay = policy.failed(now);
            assert.ok(delay <= random.maxBackoffMs);
            if (delay < 0) continue;
            starts.push(now);
            const inWindow = starts.filter((at) => at > now - random.windowMs);
            assert.ok(inWindow.length <= random.maxRestarts);
          }
        },
      ),
    ));
});
