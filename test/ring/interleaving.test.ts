import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  createDoorbells,
  createRing,
  Doorbells,
  dismissConsumer,
  RingConsumer,
  RingProducer,
  targetAll,
} from '#dist/shared/ring/index.js';
import { atEveryAtomicStep } from './atomic-steps.ts';
import { consumerOf, openRing, payloadOf, readAll, type SeenRecord, settle } from './ring-fixture.ts';

/** Runs `trial` for each step; it answers how many steps there were. */
function atEachStep(trial: (chosen: number) => number): void {
  let steps = 1;
  for (let chosen = 0; chosen < steps; chosen++) steps = trial(chosen);
  assert.ok(steps >= 4, `${steps} steps`);
}

test('room that a consumer makes at any step of a flush is used or announced', () => {
  atEachStep((chosen) => {
    const fixture = openRing();
    for (let name = 0; name < 6; name++) fixture.producer.write(name, targetAll, payloadOf(name, 1000));
    const seen: SeenRecord[] = [];
    const steps = atEveryAtomicStep(
      () => void fixture.producer.flush(),
      (step) => {
        if (step === chosen) seen.push(...readAll(consumerOf(fixture, 0)));
      },
    );
    // Flushes only if a consumer asks for it.
    seen.push(...settle(fixture, 0));
    assert.deepEqual(
      seen.map((record) => record.kind),
      [0, 1, 2, 3, 4, 5],
      `room made at step ${chosen}`,
    );
    return steps;
  });
});

test('room that a consumer makes at any step of the write that spills is used or announced', () => {
  atEachStep((chosen) => {
    const fixture = openRing();
    for (let name = 0; name < 4; name++) fixture.producer.write(name, targetAll, payloadOf(name, 1000));
    const seen: SeenRecord[] = [];
    const steps = atEveryAtomicStep(
      () => void fixture.producer.write(4, targetAll, payloadOf(4, 1000)),
      (step) => {
        if (step === chosen) seen.push(...readAll(consumerOf(fixture, 0)));
      },
    );
    seen.push(...settle(fixture, 0));
    assert.deepEqual(
      seen.map((record) => record.kind),
      [0, 1, 2, 3, 4],
      `room made at step ${chosen}`,
    );
    return steps;
  });
});

test('a consumer that leaves or is dismissed at any step of a flush does not leave the producer waiting', () => {
  for (const departure of ['leave', 'dismiss'] as const) {
    atEachStep((chosen) => {
      const fixture = openRing({ consumers: 2 });
      for (let name = 0; name < 6; name++) fixture.producer.write(name, targetAll, payloadOf(name, 1000));
      const seen = readAll(consumerOf(fixture, 0));
      fixture.relieved.length = 0;
      const steps = atEveryAtomicStep(
        () => void fixture.producer.flush(),
        (step) => {
          if (step !== chosen) return;
          if (departure === 'leave') consumerOf(fixture, 1).leave();
          else if (dismissConsumer(fixture.memory, 1)) fixture.relieved.push(1);
        },
      );
      seen.push(...settle(fixture, 0));
      assert.equal(seen.length, 6, `${departure} at step ${chosen}`);
      assert.equal(fixture.producer.spilledBytes, 0);
      return steps;
    });
  }
});

test('whatever is written at any two steps while a consumer attends, it sees whole records and misses none after', () => {
  for (let second = 0; second < 12; second++) {
    atEachStep((chosen) => {
      const fixture = openRing({ absent: [0] });
      let written = 0;
      const writeMuch = (): void => {
        for (let record = 0; record < 12; record++, written++) {
          fixture.producer.write(written & 255, targetAll, payloadOf(written & 255, 900));
        }
      };
      writeMuch();
      const consumer = consumerOf(fixture, 0);
      const steps = atEveryAtomicStep(
        () => consumer.attend(),
        (step) => {
          if (step === chosen || step === chosen + second) writeMuch();
        },
      );
      const kinds: number[] = [];
      const read = (): void => {
        for (const { kind, payload } of settle(fixture, 0)) {
          assert.deepEqual(payload, payloadOf(kind, 900), `record ${kind} is torn`);
          kinds.push(kind);
        }
      };
      read();
      assert.equal(fixture.producer.spilledBytes, 0, 'what waited for the consumer was never asked for');
      writeMuch();
      read();
      assert.ok(kinds.length >= 12);
      const first = written - kinds.length;
      assert.deepEqual(
        kinds,
        kinds.map((_, index) => first + index),
      );
      return steps;
    });
  }
});

/** A producer and one consumer that sleeps as the engine does. */
function openSleeper(): { write(): void; fallAsleep(): void; sleepsOverRecord(): boolean } {
  const memory = createRing(4096, 1);
  const bells = createDoorbells(2);
  let asleep = false;
  const own = new Doorbells(bells, 0, () => assert.fail('rings nobody'));
  const others = new Doorbells(bells, 1, () => {
    asleep = false;
  });
  const consumer = new RingConsumer(memory, 0, { relieve: () => {} });
  const producer = new RingProducer(memory, { spillBytes: 4096, wake: (thread) => others.wake(thread) });
  consumer.attend();
  return {
    write: () => void producer.write(0, 0, Uint8Array.of(1)),
    fallAsleep: () => {
      asleep = true;
      own.fallAsleep();
      if (consumer.hasMore && own.stayAwake()) asleep = false;
    },
    sleepsOverRecord: () => asleep && consumer.hasMore,
  };
}

test('a record written at any step of falling asleep wakes the sleeper', () => {
  atEachStep((chosen) => {
    const { write, fallAsleep, sleepsOverRecord } = openSleeper();
    const steps = atEveryAtomicStep(fallAsleep, (step) => {
      if (step === chosen) write();
    });
    assert.equal(sleepsOverRecord(), false, `written at step ${chosen}`);
    return steps;
  });
});

test('a consumer that falls asleep at any step of a write is woken', () => {
  atEachStep((chosen) => {
    const { write, fallAsleep, sleepsOverRecord } = openSleeper();
    const steps = atEveryAtomicStep(write, (step) => {
      if (step === chosen) fallAsleep();
    });
    assert.equal(sleepsOverRecord(), false, `asleep at step ${chosen}`);
    return steps;
  });
});
