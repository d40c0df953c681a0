import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dismissConsumer, RingConsumer, RingProducer, targetAll } from '#dist/shared/ring/index.js';
import { consumerOf, namesOf, openRing, payloadOf, readAll, settle } from './ring-fixture.ts';

/** More than a ring of 4,096 bytes holds. */
const manyRecords = 100;

test('a ring that nobody attends never waits', () => {
  const fixture = openRing({ consumers: 2, absent: [0, 1] });
  for (let name = 0; name < manyRecords; name++) {
    assert.equal(fixture.producer.write(0, targetAll, payloadOf(name, 500)), 'written');
  }
  assert.deepEqual(fixture.woken, []);
  assert.equal(fixture.producer.depthBytes, 0);
});

test('a consumer that attends later sees only what is written later', () => {
  const fixture = openRing({ consumers: 2, absent: [1] });
  const late = consumerOf(fixture, 1);
  for (const name of [1, 2]) fixture.producer.write(0, targetAll, Uint8Array.of(name));
  assert.equal(late.hasMore, false);
  assert.deepEqual(readAll(late), []);
  late.attend();
  assert.ok(late.attends);
  assert.deepEqual(readAll(late), []);
  for (const name of [3, 4]) fixture.producer.write(0, targetAll, Uint8Array.of(name));
  assert.deepEqual(namesOf(readAll(late)), [3, 4]);
  assert.deepEqual(namesOf(readAll(consumerOf(fixture, 0))), [1, 2, 3, 4]);
});

test('the ring waits for a consumer from the moment it attends', () => {
  const fixture = openRing({ absent: [0], spillBytes: 64 });
  for (let name = 0; name < manyRecords; name++) fixture.producer.write(0, targetAll, payloadOf(name, 500));
  consumerOf(fixture, 0).attend();
  let accepted = 0;
  while (fixture.producer.write(0, targetAll, payloadOf(accepted, 500)) !== 'overloaded') accepted += 1;
  assert.ok(accepted >= 6 && accepted <= 9, `${accepted} records`);
  assert.deepEqual(
    settle(fixture, 0).map((record) => record.payload),
    Array.from({ length: accepted }, (_, name) => payloadOf(name, 500)),
  );
});

test('to attend twice loses nothing', () => {
  const fixture = openRing();
  fixture.producer.write(0, targetAll, Uint8Array.of(1));
  consumerOf(fixture, 0).attend();
  assert.deepEqual(namesOf(readAll(consumerOf(fixture, 0))), [1]);
});

test('a consumer that left does not hold the ring back, and reads nothing', () => {
  const fixture = openRing({ consumers: 2 });
  const leaver = consumerOf(fixture, 1);
  fixture.producer.write(0, targetAll, Uint8Array.of(1));
  leaver.leave();
  leaver.leave();
  assert.equal(leaver.attends, false);
  for (let name = 0; name < manyRecords; name++) {
    assert.equal(fixture.producer.write(0, targetAll, payloadOf(name, 500)), 'written');
    readAll(consumerOf(fixture, 0));
  }
  assert.equal(leaver.hasMore, false);
  assert.deepEqual(readAll(leaver), []);
  leaver.attend();
  fixture.producer.write(0, targetAll, Uint8Array.of(7));
  assert.deepEqual(namesOf(readAll(leaver)), [7]);
});

test('a consumer that leaves relieves a producer that waited for it', () => {
  const fixture = openRing({ consumers: 2 });
  for (let name = 0; name < 20; name++) fixture.producer.write(name, targetAll, payloadOf(name, 500));
  settle(fixture, 0);
  assert.ok(fixture.producer.spilledBytes > 0);
  consumerOf(fixture, 1).leave();
  assert.deepEqual(fixture.relieved, [1]);
  assert.deepEqual(
    settle(fixture, 0).map((record) => record.kind),
    Array.from({ length: 20 - 8 }, (_, name) => name + 8),
  );
  assert.equal(fixture.producer.spilledBytes, 0);
});

test('a dismissed consumer does not hold the ring back, and its dismissal says that the producer waits', () => {
  const fixture = openRing({ consumers: 2 });
  for (let name = 0; name < 20; name++) fixture.producer.write(name, targetAll, payloadOf(name, 500));
  settle(fixture, 0);
  assert.ok(fixture.producer.spilledBytes > 0);
  assert.equal(dismissConsumer(fixture.memory, 1), true, 'whoever dismisses rings the producer');
  fixture.producer.flush();
  settle(fixture, 0);
  assert.equal(fixture.producer.spilledBytes, 0);
  assert.equal(dismissConsumer(fixture.memory, 1), false, 'nothing waits any more');
});

test('the seat of a dismissed consumer can be taken by another thread', () => {
  const fixture = openRing({ consumers: 2 });
  fixture.producer.write(0, targetAll, Uint8Array.of(1));
  dismissConsumer(fixture.memory, 1);
  const successor = new RingConsumer(fixture.memory, 1, { relieve: () => {} });
  fixture.producer.write(0, targetAll, Uint8Array.of(2));
  successor.attend();
  fixture.producer.write(0, 1, Uint8Array.of(3));
  assert.deepEqual(namesOf(readAll(successor)), [3]);
});

test('a consumer that attends in the middle of a record in pieces sees only the records after it', () => {
  const fixture = openRing({ consumers: 2, absent: [1] });
  const long = payloadOf(1, 9000);
  assert.equal(fixture.producer.write(1, targetAll, long), 'spilled');
  fixture.producer.write(2, targetAll, payloadOf(2, 1500));
  const early = readAll(consumerOf(fixture, 0));
  fixture.producer.flush();
  const late = consumerOf(fixture, 1);
  late.attend();
  assert.equal(early.length, 0, 'the record is not complete yet');
  const seen = [];
  while (fixture.producer.spilledBytes > 0 || late.hasMore) {
    seen.push(...readAll(late));
    early.push(...readAll(consumerOf(fixture, 0)));
    fixture.producer.flush();
  }
  early.push(...readAll(consumerOf(fixture, 0)));
  assert.deepEqual(seen, [{ kind: 2, payload: payloadOf(2, 1500) }]);
  assert.deepEqual(early, [
    { kind: 1, payload: long },
    { kind: 2, payload: payloadOf(2, 1500) },
  ]);
});

test('a consumer that left in the middle of a record in pieces starts afresh', () => {
  const fixture = openRing();
  const consumer = consumerOf(fixture, 0);
  fixture.producer.write(1, targetAll, payloadOf(1, 6000));
  readAll(consumer);
  consumer.leave();
  fixture.producer.flush();
  consumer.attend();
  fixture.producer.write(2, targetAll, payloadOf(2, 3000));
  assert.deepEqual(settle(fixture, 0), [{ kind: 2, payload: payloadOf(2, 3000) }]);
});

test('a visitor that leaves the ring is called no more', () => {
  const fixture = openRing();
  const consumer = consumerOf(fixture, 0);
  for (const name of [1, 2, 3]) fixture.producer.write(0, targetAll, Uint8Array.of(name));
  const seen: number[] = [];
  const more = consumer.drain(10, 4096, (_kind, bytes, offset) => {
    seen.push(bytes[offset] ?? -1);
    consumer.leave();
  });
  assert.equal(more, false);
  assert.deepEqual(seen, [1]);
});

test('a visitor that leaves and attends again sees only what is written later', () => {
  const fixture = openRing();
  const consumer = consumerOf(fixture, 0);
  for (const name of [1, 2, 3]) fixture.producer.write(0, targetAll, Uint8Array.of(name));
  const seen: number[] = [];
  consumer.drain(10, 4096, (_kind, bytes, offset) => {
    seen.push(bytes[offset] ?? -1);
    consumer.leave();
    consumer.attend();
    fixture.producer.write(0, targetAll, Uint8Array.of(4));
  });
  seen.push(...namesOf(readAll(consumer)));
  assert.deepEqual(seen, [1, 4]);
});

test('a producer that takes over a ring goes on where its predecessor stopped', () => {
  const fixture = openRing({ start: 2 ** 32 - 16 });
  fixture.producer.write(0, targetAll, Uint8Array.of(1));
  const successor = new RingProducer(fixture.memory, { spillBytes: 1024, wake: () => {} });
  assert.equal(successor.depthBytes, 16);
  successor.write(0, targetAll, Uint8Array.of(2));
  assert.deepEqual(namesOf(readAll(consumerOf(fixture, 0))), [1, 2]);
});
