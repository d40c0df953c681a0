import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { UwsCork } from '#dist/worker/transport/uws/uws-cork.js';
import { assertNothingLeft, openResources } from '../support/leaks.ts';
import { pause } from '../support/waiting.ts';

async function withCork(use: (cork: UwsCork) => void | Promise<void>): Promise<void> {
  const before = openResources();
  const cork = new UwsCork();
  try {
    await use(cork);
  } finally {
    cork.close();
  }
  await assertNothingLeft(before);
}

function calls(cork: UwsCork): number {
  let count = 0;
  cork.run(() => {
    count += 1;
  });
  return count;
}

describe('the cork of upgrades that are decided later', () => {
  test('calls back at once, exactly once, whether it is ready or not', async () => {
    await withCork(async (cork) => {
      assert.equal(calls(cork), 1);
      const ready = [cork.ready(), cork.ready()];
      assert.equal(ready[0], ready[1]);
      await ready[0];
      assert.equal(calls(cork), 1);
      await cork.ready();
      await pause(50);
      assert.equal(calls(cork), 1);
    });
  });

  test('leaves nothing behind, at whatever moment it is closed; who waits for it goes on', async () => {
    await withCork(() => undefined);
    for (const ms of [0, 0, 1, 2, 5, 20]) {
      await withCork(async (cork) => {
        const ready = cork.ready();
        if (ms > 0) await pause(ms);
        cork.close();
        await ready;
        assert.equal(calls(cork), 1);
        await cork.ready();
        cork.close();
      });
    }
  });
});
