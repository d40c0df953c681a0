import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type RateState, Rates } from '#dist/worker/inbound/rates.js';
import { fc } from '../support/properties.ts';

const fresh = (): RateState => ({ messagesFullAt: 0, bytesFullAt: 0 });

/** A bucket as the books have it, refilled at each look. */
class Bucket {
  #tokens: number;
  #last: number;
  readonly #perSecond: number;

  constructor(perSecond: number, now: number) {
    this.#perSecond = perSecond;
    this.#tokens = perSecond;
    this.#last = now;
  }

  refill(now: number): number {
    this.#tokens = Math.min(this.#perSecond, this.#tokens + ((now - this.#last) / 1_000) * this.#perSecond);
    this.#last = now;
    return this.#tokens;
  }

  take(cost: number): void {
    this.#tokens -= cost;
  }
}

describe('the token buckets', () => {
  it("let exactly one second's worth pass at once, for any rate", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5_000 }), fc.double({ min: 0, max: 1e7, noNaN: true }), (rate, now) => {
        const rates = new Rates(rate, Infinity);
        const state = fresh();
        let passed = 0;
        while (rates.countMessage(state, 10, now) === 'within') passed += 1;
        assert.equal(passed, rate);
        assert.equal(rates.countMessage(state, 10, now), 'too many messages');
        // One more each time that there is time for one.
        const later = now + 1_000 / rate + 0.01;
        assert.equal(rates.countMessage(state, 10, later), 'within');
        assert.equal(rates.countMessage(state, 10, later), 'too many messages');
      }),
    );
  });

  it('do what a bucket with a refill does, and a message that finds some bytes left passes whole', () => {
    const traffic = fc.array(fc.record({ afterMs: fc.integer({ min: 0, max: 900 }), bytes: fc.nat({ max: 5_000 }) }), {
      maxLength: 200,
    });
    const verdicts = new Map<string, number>();
    fc.assert(
      fc.property(fc.integer({ min: 100, max: 10_000 }), traffic, (bytesPerSecond, plan) => {
        const rates = new Rates(Infinity, bytesPerSecond);
        const bucket = new Bucket(bytesPerSecond, 0);
        const state = fresh();
        let now = 0;
        for (const { afterMs, bytes } of plan) {
          now += afterMs;
          const left = bucket.refill(now);
          // Too close to call with rounded numbers.
          if (Math.abs(left) < 0.01) continue;
          const verdict = rates.countMessage(state, bytes, now);
          assert.equal(verdict, left > 0 ? 'within' : 'too many bytes', `${left} bytes left`);
          if (verdict === 'within') bucket.take(bytes);
          verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1);
        }
      }),
    );
    for (const verdict of ['within', 'too many bytes']) assert.ok((verdicts.get(verdict) ?? 0) > 100, verdict);
  });

  it('a refused message costs nothing, in neither bucket', () => {
    const rates = new Rates(2, 1_000);
    const state = fresh();
    assert.equal(rates.countMessage(state, 1_500, 0), 'within');
    const after = { ...state };
    assert.equal(rates.countMessage(state, 1, 0), 'too many bytes');
    assert.deepEqual(state, after);
    // The half second that is missing, then there is room.
    assert.equal(rates.countMessage(state, 1, 500), 'too many bytes');
    assert.equal(rates.countMessage(state, 1, 501), 'within');
    assert.equal(rates.countMessage(state, 1, 501), 'too many bytes');
    assert.equal(rates.countMessage(state, 1, 502), 'within');
    // That was the last half of a message.
    assert.equal(rates.countMessage(state, 1, 510), 'too many messages');
  });

  it('are there only where a limit is set', () => {
    const limits = { messagesPerSecond: null, bytesPerSecond: null };
    assert.equal(Rates.of(limits), null);
    const messages = Rates.of({ ...limits, messagesPerSecond: 1 });
    const bytes = Rates.of({ ...limits, bytesPerSecond: 1 });
    const [one, other] = [fresh(), fresh()];
    assert.deepEqual(
      [messages?.countMessage(one, 1e9, 0), messages?.countMessage(one, 0, 0)],
      ['within', 'too many messages'],
    );
    assert.deepEqual([bytes?.countMessage(other, 0, 0), bytes?.countMessage(other, 1e9, 0)], ['within', 'within']);
    assert.equal(bytes?.countMessage(other, 0, 999_000), 'too many bytes');
  });
});
