import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { rotated } from '#dist/main/api/key-rotation.js';
import { monotonicMs } from '#dist/shared/base/monotonic.js';

const ring = {
  current: { id: 0, aesKey: null, hmacKey: Buffer.from('former') },
  previous: null,
  previousUntil: 0,
};

describe('the grace of former keys', () => {
  test('is what was asked for, whatever the wall clock is set to meanwhile', () => {
    const real = Date.now;
    try {
      for (const jumpMs of [-86_400_000, 86_400_000]) {
        Date.now = () => real() + jumpMs;
        const before = monotonicMs();
        const { previousUntil } = rotated(ring, { hmacKey: Buffer.from('next') }, 60_000);
        assert.ok(previousUntil >= before + 60_000 && previousUntil <= monotonicMs() + 60_000);
      }
    } finally {
      Date.now = real;
    }
  });

  test('ends at the same moment in every thread: they share the clock', async () => {
    const module = JSON.stringify(import.meta.resolve('#dist/shared/base/monotonic.js'));
    const code = `import(${module}).then(({ monotonicMs }) => require('node:worker_threads').parentPort.postMessage(monotonicMs()))`;
    const before = monotonicMs();
    const worker = new Worker(code, { eval: true });
    const between = await new Promise<number>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
    });
    const after = monotonicMs();
    await worker.terminate();
    assert.ok(before <= between && between <= after, `${before}, ${between}, ${after}`);
  });
});
