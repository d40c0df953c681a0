import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Completion } from '#dist/cli/bench/completion.js';
import { Outstanding } from '#dist/cli/bench/outstanding.js';
import { Pacer } from '#dist/cli/bench/pacer.js';
import { Receipts } from '#dist/cli/bench/receipts.js';
import { readSequence, readStamp, type Stamp, writeSequence, writeStamp } from '#dist/cli/bench/stamp.js';
import { ErrorTally, Tally } from '#dist/cli/bench/tally.js';
import { durationMs, now } from '#dist/cli/bench/time.js';
import { fc } from '../support/properties.ts';

test('durations are seconds unless a unit says otherwise', () => {
  const wanted: readonly (readonly [string, number | null])[] = [
    ['10', 10_000],
    ['0.5', 500],
    ['500ms', 500],
    ['2s', 2_000],
    ['1.5m', 90_000],
    ['', null],
    ['ms', null],
    ['-1', null],
    ['1e3', null],
    ['1 s', null],
    ['.5', null],
    ['5h', null],
    ['1.2.3', null],
  ];
  for (const [text, ms] of wanted) assert.equal(durationMs(text), ms, text);
});

test('stamps are read as they were written, wherever they stand', () => {
  const uint = (bits: number): fc.Arbitrary<number> => fc.integer({ min: 0, max: 2 ** bits - 1 });
  fc.assert(
    fc.property(uint(16), fc.nat(0xffff_ffff), fc.nat(2 ** 31), fc.nat(40), (publisher, sequence, micros, at) => {
      const bytes = Buffer.alloc(at + 32, 'x');
      writeStamp(bytes, at, { publisher, sequence, timeMs: micros / 1_000 });
      assert.equal(bytes.toString('latin1', 0, at + 8), 'x'.repeat(at + 8), 'what stands before is left alone');
      const stamp: Stamp = { publisher: -1, sequence: -1, timeMs: -1 };
      assert.ok(readStamp(bytes, at, stamp));
      assert.deepEqual(stamp, { publisher, sequence, timeMs: micros / 1_000 });
      assert.equal(readStamp(bytes.subarray(0, at + 31), at, stamp), false, 'a stamp that is cut off is none');
      writeSequence(bytes, at, sequence);
      assert.equal(readSequence(bytes, at), sequence);
    }),
  );
  assert.equal(readSequence(Buffer.from('0000000G'), 0), -1);
  assert.equal(readSequence(Buffer.from('0000000'), 0), -1);
});

test('a message is received once, however often and in which order it comes', () => {
  // Within the window of 32, whatever the order: as a set would have it.
  const sequences = fc.array(fc.nat(31), { maxLength: 100 });
  fc.assert(
    fc.property(sequences, fc.nat(1_000), (numbers, base) => {
      const receipts = new Receipts(2, 2);
      const seen = new Set<number>();
      for (const number of numbers.map((each) => each + base)) {
        const highest = Math.max(-1, ...seen);
        const expected = seen.has(number) ? 'duplicate' : number > highest ? 'new' : 'late';
        assert.equal(receipts.add(1, 1, number), expected, `${number} after ${[...seen]}`);
        seen.add(number);
        assert.equal(receipts.last(1, 1), Math.max(...seen));
      }
      assert.equal(receipts.last(0, 1), -1, 'others are not concerned');
      assert.equal(receipts.last(1, 0), -1);
    }),
  );
  const receipts = new Receipts(1, 1);
  for (const number of [0, 100, 68, 67]) receipts.add(0, 0, number);
  assert.equal(receipts.add(0, 0, 68), 'duplicate');
  assert.equal(receipts.add(0, 0, 67), 'duplicate', 'too far back to be told from one that came');
});

test('messages in flight are found by number in any order, once each, and are bounded', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(200), { maxLength: 300 }), (choices) => {
      const limit = 16;
      const outstanding = new Outstanding(limit);
      const model = new Map<number, number>();
      let time = 0;
      for (const choice of choices) {
        if (choice % 2 === 0 && outstanding.hasRoom) {
          time += 1;
          model.set(outstanding.add(time), time);
        } else {
          const numbers = [...model.keys(), 9_999];
          const number = numbers[choice % numbers.length] ?? 0;
          assert.equal(outstanding.answer(number), model.get(number) ?? 0);
          model.delete(number);
          assert.equal(outstanding.answer(number), 0, 'a second answer is none');
        }
        assert.equal(outstanding.count, model.size);
        assert.ok(outstanding.count <= limit);
      }
      const given = [...model.values()].sort((one, other) => one - other);
      assert.deepEqual(outstanding.giveUp(Number.POSITIVE_INFINITY), given);
      assert.equal(outstanding.count, 0);
    }),
  );
  const outstanding = new Outstanding(4);
  for (const time of [5, 6, 7]) outstanding.add(time);
  assert.equal(outstanding.answer(1), 6);
  assert.equal(outstanding.answerOldest(), 5);
  assert.deepEqual(outstanding.giveUp(7), []);
  assert.equal(outstanding.answerOldest(), 7);
  assert.equal(outstanding.answerOldest(), 0);
});

test('a publish is complete when every connection of every thread has it, or a later one', () => {
  const size = { publishers: 2, inFlight: 4 };
  const memory = Completion.memory(size);
  const complete: string[] = [];
  const [one, other] = ['one', 'other'].map(
    (thread) =>
      new Completion(memory, size, (publisher, sequence) => complete.push(`${thread} ${publisher}:${sequence}`)),
  ) as [Completion, Completion];
  for (const thread of [one, one, other]) thread.join(1);
  for (const sequence of [0, 1, 2]) one.begin(1, sequence);
  one.passed(1, -1, 0);
  one.passed(1, -1, 0);
  assert.deepEqual(complete, []);
  other.passed(1, -1, 0);
  assert.deepEqual(complete, ['other 1:0']);
  // 1 was lost on the way to one connection, which then gets 2.
  other.passed(1, 0, 2);
  one.passed(1, 0, 1);
  one.passed(1, 0, 2);
  assert.deepEqual(complete, ['other 1:0', 'one 1:1']);
  // The last one that 2 waits for leaves.
  one.leave(1, 1);
  assert.deepEqual(complete, ['other 1:0', 'one 1:1', 'one 1:2']);
  // What was given up does not complete what took its place.
  one.begin(1, 3);
  one.passed(1, 2, 3);
  one.begin(1, 3 + 16);
  other.passed(1, 2, 3);
  assert.equal(complete.length, 3);
});

test('tallies of threads add up, and kinds of errors are bounded', () => {
  const [one, other, sum] = [new Tally(), new Tally(), new Tally()];
  one.answered(10, 12, 100);
  one.counts.lost = 1;
  other.answered(10, 50, 11);
  other.errors.add('closed 1006', 'it went');
  for (const tally of [one, other]) sum.add(tally.report());
  assert.deepEqual([sum.counts.received, sum.counts.bytesIn, sum.counts.lost], [2, 111, 1]);
  assert.equal(sum.counts.lastReceivedMs, 50);
  assert.equal(sum.latency.totalCount, 2);
  assert.ok(Math.abs(sum.latency.maxValue - 40_000) <= 40);
  assert.deepEqual([...sum.errors.kinds], [['closed 1006', 1]]);
  assert.equal(sum.errors.first, 'it went');
  const errors = new ErrorTally();
  for (let kind = 0; kind < 1_000; kind++) errors.add(`kind ${kind}`, 'text');
  assert.equal(errors.total, 1_000);
  assert.ok(errors.kinds.size <= 65);
  assert.equal(errors.kinds.get('other'), 936);
});

test('what a pacer that is behind has not told is not forgotten', () => {
  const beginMs = now() - 20;
  const schedule = { beginMs, measureFromMs: beginMs + 10, untilMs: beginMs + 110 };
  const told: number[] = [];
  // In its first turn it tells a thousand, all of them of the warm-up.
  const pacer = new Pacer(schedule, { ratePerSecond: 1_000_000, threads: 2 }, 1, (dueMs) => told.push(dueMs));
  pacer.start();
  assert.equal(told.length, 1_000);
  assert.equal(pacer.isOver, false);
  assert.ok(Math.abs(pacer.abandon() - 50_000) <= 1, 'half a million a second, for 100 ms');
  assert.equal(pacer.isOver, true);
  assert.equal(pacer.abandon(), 0);
});

test('what a server says of an error is one line without control characters', () => {
  const errors = new ErrorTally();
  errors.add('kind', ' one\r\n\u001b[31mtwo\u0007\u009b ');
  assert.equal(errors.first, 'one [31mtwo');
});
