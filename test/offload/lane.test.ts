import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Lane, type Slot } from '#dist/worker/offload/lane.js';
import { fc } from '../support/properties.ts';

function frame(n: number, length = 4): Uint8Array {
  const bytes = new Uint8Array(length);
  new DataView(bytes.buffer).setUint32(0, n);
  return bytes;
}

function numberOf(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
}

interface Watched {
  readonly lane: Lane;
  readonly delivered: number[];
  /** How often it ran empty. */
  emptied(): number;
}

function watchedLane(onDeliver: (n: number, lane: Lane) => void = () => undefined): Watched {
  const delivered: number[] = [];
  let emptied = 0;
  const lane: Lane = new Lane(
    (bytes) => {
      delivered.push(numberOf(bytes));
      onDeliver(numberOf(bytes), lane);
    },
    () => {
      emptied += 1;
    },
  );
  return { lane, delivered, emptied: () => emptied };
}

describe('a lane', () => {
  it('keeps what is ready behind what is not', () => {
    const { lane, delivered, emptied } = watchedLane();
    const first = lane.pushPending(100);
    lane.pushReady(frame(2));
    const third = lane.pushPending(10);
    lane.pushReady(frame(4));
    assert.deepEqual([lane.length, lane.bytes], [4, 118]);
    third.fill(frame(3));
    assert.deepEqual([lane.length, lane.bytes, delivered.length], [4, 112, 0]);
    first.fill(frame(1));
    assert.deepEqual(delivered, [1, 2, 3, 4]);
    assert.deepEqual([lane.length, lane.bytes, emptied()], [0, 0, 1]);
  });

  it('goes on without a frame that is skipped', () => {
    const { lane, delivered, emptied } = watchedLane();
    const first = lane.pushPending(100);
    const second = lane.pushPending(50);
    lane.pushReady(frame(3));
    second.skip();
    assert.equal(lane.bytes, 104);
    first.skip();
    assert.deepEqual([delivered, lane.bytes, emptied()], [[3], 0, 1]);
  });

  it('takes only the first word on a place', () => {
    const { lane, delivered, emptied } = watchedLane();
    const slot = lane.pushPending(4);
    slot.fill(frame(1));
    slot.fill(frame(2));
    slot.skip();
    assert.deepEqual([delivered, lane.bytes, emptied()], [[1], 0, 1]);
  });

  it('reaches an end once everything before it is delivered, and at once if nothing is', () => {
    const { lane, delivered } = watchedLane();
    const seen: number[] = [];
    lane.pushEnd(() => seen.push(delivered.length));
    assert.deepEqual(seen, [0]);
    const slot = lane.pushPending(4);
    lane.pushReady(frame(2));
    lane.pushEnd(() => seen.push(delivered.length));
    lane.pushReady(frame(3));
    assert.deepEqual(seen, [0]);
    slot.fill(frame(1));
    assert.deepEqual(
      [seen, delivered],
      [
        [0, 2],
        [1, 2, 3],
      ],
    );
  });

  it('runs empty at once when its jobs are done here, in order', () => {
    const { lane, delivered, emptied } = watchedLane();
    const finished: number[] = [];
    const pend = (n: number): void => {
      const slot = lane.pushPending(4);
      slot.ticket = {
        finishNow: () => {
          finished.push(n);
          slot.fill(frame(n));
        },
      };
    };
    pend(1);
    lane.pushReady(frame(2));
    pend(3);
    pend(4);
    lane.pushReady(frame(5));
    lane.finishNow();
    assert.deepEqual(finished, [1, 3, 4]);
    assert.deepEqual([delivered, lane.length, lane.bytes, emptied()], [[1, 2, 3, 4, 5], 0, 0, 1]);
  });

  it('forgets a ticket once its place is filled', () => {
    const { lane, delivered } = watchedLane();
    const first = lane.pushPending(4);
    const second = lane.pushPending(4);
    second.ticket = { finishNow: () => assert.fail('it has been done') };
    second.fill(frame(2));
    lane.finishNow();
    assert.deepEqual(delivered, []);
    first.fill(frame(1));
    assert.deepEqual(delivered, [1, 2]);
  });

  it('drops everything when it is discarded, and ignores what comes later', () => {
    const { lane, delivered, emptied } = watchedLane();
    const slot = lane.pushPending(4);
    lane.pushReady(frame(2));
    lane.pushEnd(() => assert.fail('the end of a discarded lane is not reached'));
    lane.discard();
    assert.deepEqual([lane.length, lane.bytes], [0, 0]);
    slot.fill(frame(1));
    lane.pushReady(frame(3));
    lane.pushPending(4).fill(frame(4));
    lane.pushEnd(() => assert.fail('the end of a discarded lane is not reached'));
    lane.finishNow();
    assert.deepEqual([delivered, lane.length, lane.bytes, emptied()], [[], 0, 0, 0]);
  });

  it('stops at once when it is discarded while it delivers', () => {
    const { lane, delivered, emptied } = watchedLane((n, itself) => {
      if (n === 2) itself.discard();
    });
    const slot = lane.pushPending(4);
    for (const n of [2, 3, 4]) lane.pushReady(frame(n));
    slot.fill(frame(1));
    assert.deepEqual([delivered, lane.length, emptied()], [[1, 2], 0, 0]);
  });

  it('delivers after the others what a delivery pushes or fills', () => {
    let slot: Slot | null = null;
    const { lane, delivered, emptied } = watchedLane((n, itself) => {
      if (n === 1) itself.pushReady(frame(9));
      if (n === 2) slot?.fill(frame(3));
    });
    const first = lane.pushPending(4);
    lane.pushReady(frame(2));
    slot = lane.pushPending(4);
    lane.pushReady(frame(4));
    first.fill(frame(1));
    assert.deepEqual([delivered, lane.length, emptied()], [[1, 2, 3, 4, 9], 0, 1]);
  });

  it('is not stopped by a delivery that throws: the rest is delivered, then the caller is told', () => {
    const { lane, delivered, emptied } = watchedLane((n) => {
      if (n % 2 === 0) throw new Error(`cannot deliver ${n}`);
    });
    const slot = lane.pushPending(4);
    for (const n of [2, 3, 4, 5, 6]) lane.pushReady(frame(n));
    assert.throws(() => slot.fill(frame(1)), /cannot deliver 2/);
    assert.deepEqual([delivered, lane.length, lane.bytes, emptied()], [[1, 2, 3, 4, 5, 6], 0, 0, 1]);
    lane.pushReady(frame(7));
    assert.deepEqual([delivered.at(-1), emptied()], [7, 2]);
  });

  it('does all its jobs here although a delivery throws', () => {
    const { lane, delivered } = watchedLane(() => {
      throw new Error('cannot deliver');
    });
    for (const n of [1, 2, 3]) {
      const slot = lane.pushPending(4);
      slot.ticket = { finishNow: () => slot.fill(frame(n)) };
    }
    assert.throws(() => lane.finishNow(), /cannot deliver/);
    assert.deepEqual([delivered, lane.length], [[1, 2, 3], 0]);
  });

  it('delivers tens of thousands of frames behind one, in order, and again', () => {
    const { lane, delivered, emptied } = watchedLane();
    const count = 200_000;
    for (let round = 0; round < 2; round++) {
      const slot = lane.pushPending(4);
      for (let n = 1; n < count; n++) lane.pushReady(frame(n));
      slot.fill(frame(0));
      assert.equal(lane.length, 0);
    }
    assert.equal(delivered.length, 2 * count);
    assert.ok(delivered.every((n, place) => n === place % count));
    assert.equal(emptied(), 2);
  });

  it('delivers each frame once and in the order of pushing, however pushes, fills and finishes are mixed', () => {
    const step = fc.oneof(
      { weight: 3, arbitrary: fc.constant({ do: 'ready' as const, at: 0 }) },
      { weight: 3, arbitrary: fc.constant({ do: 'pending' as const, at: 0 }) },
      { weight: 1, arbitrary: fc.constant({ do: 'end' as const, at: 0 }) },
      { weight: 4, arbitrary: fc.record({ do: fc.constant('fill' as const), at: fc.nat(1_000) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('skip' as const), at: fc.nat(1_000) }) },
      { weight: 1, arbitrary: fc.constant({ do: 'finish' as const, at: 0 }) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), fc.boolean(), fc.nat(7), (steps, reentrant, throwsEvery) => {
        /** What is to come out: numbers of frames, ends as negative numbers. */
        const expected: number[] = [];
        const open = new Map<number, Slot>();
        let next = 1;
        const pend = (lane: Lane): void => {
          const n = next++;
          expected.push(n);
          const slot = lane.pushPending(n);
          open.set(n, slot);
          slot.ticket = { finishNow: () => settle(n, 'fill') };
        };
        const settle = (n: number, how: 'fill' | 'skip'): void => {
          const slot = open.get(n);
          open.delete(n);
          if (how === 'skip') expected.splice(expected.indexOf(n), 1);
          try {
            if (how === 'skip') slot?.skip();
            else slot?.fill(frame(n, 4 + (n % 5)));
          } catch (error) {
            assert.match(String(error), /now and then/);
          }
        };
        const out: number[] = [];
        const lane: Lane = new Lane(
          (bytes) => {
            const n = numberOf(bytes);
            out.push(n);
            if (reentrant && n % 4 === 0) pend(lane);
            if (reentrant && n % 6 === 0) for (const [other] of open) if (other % 2 === 0) settle(other, 'fill');
            if (throwsEvery > 0 && n % throwsEvery === 0) throw new Error('now and then');
          },
          () => assert.equal(lane.length, 0),
        );
        for (const { do: what, at } of steps) {
          const waiting = [...open.keys()];
          try {
            if (what === 'ready') {
              const n = next++;
              expected.push(n);
              lane.pushReady(frame(n));
            } else if (what === 'pending') pend(lane);
            else if (what === 'end') {
              const n = -next++;
              expected.push(n);
              lane.pushEnd(() => out.push(n));
            } else if (what === 'finish') lane.finishNow();
            else if (waiting.length > 0) settle(waiting[at % waiting.length] ?? 0, what);
          } catch (error) {
            assert.match(String(error), /now and then/);
          }
          assert.deepEqual(out, expected.slice(0, out.length));
        }
        while (open.size > 0) for (const [n] of [...open]) settle(n, 'fill');
        assert.deepEqual(out, expected);
        assert.deepEqual([lane.length, lane.bytes], [0, 0]);
      }),
      { numRuns: 3_000 },
    );
  });
});
