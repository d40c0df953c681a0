import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { deferred } from '#dist/shared/base/deferred.js';
import { within } from '#dist/shared/base/within.js';

describe('within', () => {
  it('gives what came in time, also if that is undefined, and null for what did not', async () => {
    assert.deepEqual(await within(Promise.resolve(7), 60_000), { value: 7 });
    assert.deepEqual(await within(Promise.resolve(undefined), 60_000), { value: undefined });
    const never = deferred<number>();
    assert.equal(await within(never.promise, 1), null);
    const done = deferred<string>();
    const waited = within(done.promise, 60_000);
    done.resolve('in the end');
    assert.deepEqual(await waited, { value: 'in the end' });
  });

  it('rejects with what it waits for, and stops its clock either way', async () => {
    const signals: AbortSignal[] = [];
    const stopped = (_timeoutMs: number, signal: AbortSignal): Promise<void> => {
      signals.push(signal);
      return new Promise(() => undefined);
    };
    const failed = deferred<void>();
    const waited = within(failed.promise, 1, stopped);
    assert.equal(signals[0]?.aborted, false);
    failed.reject(new Error('no'));
    await assert.rejects(waited, /no/);
    await within(Promise.resolve(), 1, stopped);
    assert.deepEqual(
      signals.map((signal) => signal.aborted),
      [true, true],
    );
  });

  it('has the clock that it is given decide', async () => {
    const asked: number[] = [];
    const over = async (timeoutMs: number): Promise<void> => void asked.push(timeoutMs);
    assert.equal(await within(new Promise(() => undefined), 3_600_000, over), null);
    assert.deepEqual(asked, [3_600_000]);
  });
});
