import assert from 'node:assert/strict';
import { performance } from 'node:perf_hooks';
import { afterEach, describe, it, mock } from 'node:test';
import { nowNanos } from '#dist/shared/message/message.js';

const nanosPerMs = 1_000_000n;

describe('the clock of messages', () => {
  afterEach(() => mock.restoreAll());

  it('gives whole microseconds, close to the system’s time', () => {
    for (let i = 0; i < 10_000; i++) {
      const before = BigInt(Date.now());
      const now = nowNanos();
      const after = BigInt(Date.now());
      assert.ok(now >= (before - 4n) * nanosPerMs && now <= (after + 4n) * nanosPerMs, `${now} at ${before}`);
      assert.equal(now % 1_000n, 0n);
    }
  });

  it('is exact whenever it is, also beyond 2^62', () => {
    let monotonic = performance.now() + 10;
    let wall = 0;
    mock.method(performance, 'now', () => monotonic);
    mock.method(Date, 'now', () => wall);
    const times = [
      ...Array.from({ length: 900 }, (_, i) => Date.UTC(2026, 0, 1) + i * 7_919_777_333),
      // Around the carry from the lower 32 bits: each step is a millionth of them.
      ...Array.from({ length: 4_000 }, (_, i) => 1_700_000_000_000 + i),
    ];
    for (const time of times) {
      wall = time;
      monotonic += 10;
      assert.equal(nowNanos(), BigInt(wall) * nanosPerMs);
    }
  });

  it('follows the system’s clock when that is set', () => {
    const wall = Date.now() + 3_600_000;
    const monotonic = performance.now() + 100_000;
    mock.method(Date, 'now', () => wall);
    mock.method(performance, 'now', () => monotonic);
    assert.equal(nowNanos() / nanosPerMs, BigInt(wall));
  });
});
