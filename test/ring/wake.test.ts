import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDoorbells, Doorbells, targetAll } from '#dist/shared/ring/index.js';
import { consumerOf, openRing, payloadOf, readAll } from './ring-fixture.ts';

test('a record for one consumer wakes that one, a record for all wakes all that attend', () => {
  const fixture = openRing({ consumers: 4, absent: [2] });
  fixture.producer.write(0, 1, Uint8Array.of(1));
  assert.deepEqual(fixture.woken.splice(0), [1]);
  fixture.producer.write(0, targetAll, Uint8Array.of(1));
  assert.deepEqual(fixture.woken.splice(0), [0, 1, 3]);
  fixture.producer.write(0, 2, Uint8Array.of(1));
  assert.deepEqual(fixture.woken, []);
});

test('a consumer is woken only once its record can be read', () => {
  const fixture = openRing({ consumers: 2 });
  const { producer } = fixture;
  assert.ok(producer.claim(4));
  assert.deepEqual(fixture.woken, []);
  producer.commit(3, 1, 4);
  assert.deepEqual(fixture.woken, [1]);
  assert.ok(consumerOf(fixture, 1).hasMore);
});

test('a consumer whom no record is for is woken before it holds the ring back', () => {
  const fixture = openRing({ consumers: 2 });
  let written = 0;
  while (!fixture.woken.includes(1)) {
    assert.equal(fixture.producer.write(0, 0, payloadOf(written, 56)), 'written');
    written += 64;
    readAll(consumerOf(fixture, 0));
  }
  assert.ok(written > 2048 && written <= 3072 + 64, `woken after ${written} of 4096 bytes`);
});

test('a laggard that keeps up is not woken for records of others', () => {
  const fixture = openRing({ consumers: 2 });
  for (let name = 0; name < 1000; name++) {
    fixture.producer.write(0, 0, payloadOf(name, 56));
    readAll(consumerOf(fixture, 0));
    if (name % 16 === 0) readAll(consumerOf(fixture, 1));
  }
  assert.ok(!fixture.woken.includes(1));
});

test('a laggard is woken when a record spills before the next look at laggards', () => {
  // Laid out so that the record that no longer fits (it needs a skip) comes between two looks.
  const fixture = openRing({ consumers: 2, start: 16 });
  const { producer } = fixture;
  for (const size of [1016, 1016, 1008]) assert.equal(producer.write(0, 0, payloadOf(1, size)), 'written');
  readAll(consumerOf(fixture, 0));
  assert.equal(producer.write(0, 0, payloadOf(1, 1016)), 'spilled');
  assert.ok(fixture.woken.includes(1), 'nobody else would make it read');
  readAll(consumerOf(fixture, 1));
  assert.deepEqual(fixture.relieved, [1]);
});

test('laggards are found after more than 2 GiB of records for all', () => {
  const fixture = openRing({ capacity: 1 << 26, consumers: 2 });
  const { producer } = fixture;
  const length = producer.maxPieceBytes;
  for (let bytes = 0; bytes < 2 ** 31 + 2 ** 28; bytes += length) {
    assert.ok(producer.claim(length));
    assert.equal(producer.commit(0, targetAll, length), 'written');
    for (const consumer of fixture.consumers) consumer.drain(10, Number.POSITIVE_INFINITY, () => {});
  }
  fixture.woken.length = 0;
  for (let record = 0; record < 3; record++) {
    assert.ok(producer.claim(length));
    producer.commit(0, 0, length);
    consumerOf(fixture, 0).drain(10, Number.POSITIVE_INFINITY, () => {});
  }
  assert.ok(fixture.woken.includes(1));
});

test('records that leave the spill queue wake their consumers', () => {
  const fixture = openRing({ consumers: 2 });
  for (let name = 0; name < 6; name++) fixture.producer.write(name, 1, payloadOf(name, 1000));
  for (const consumer of fixture.consumers) readAll(consumer);
  fixture.woken.length = 0;
  assert.equal(fixture.producer.flush(), true);
  assert.ok(fixture.woken.includes(1));
});

test('an awake thread gets no doorbell, a sleeping one exactly one', () => {
  const memory = createDoorbells(3);
  const rung: number[] = [];
  const ring = (thread: number): void => void rung.push(thread);
  const [first, second, third] = [0, 1, 2].map((self) => new Doorbells(memory, self, ring));
  assert.ok(first !== undefined && second !== undefined && third !== undefined);
  first.wake(1);
  assert.deepEqual(rung, []);
  second.fallAsleep();
  first.wake(1);
  third.wake(1);
  first.wake(1);
  first.wake(2);
  assert.deepEqual(rung, [1]);
  assert.equal(first.rung, 1);
  assert.equal(third.rung, 0);
});

test('a thread that takes its sleep back gets no doorbell, unless one is already on its way', () => {
  const memory = createDoorbells(2);
  const rung: number[] = [];
  const sleeper = new Doorbells(memory, 0, () => assert.fail('rings nobody'));
  const waker = new Doorbells(memory, 1, (thread) => void rung.push(thread));
  sleeper.fallAsleep();
  assert.equal(sleeper.stayAwake(), true);
  waker.wake(0);
  assert.deepEqual(rung, []);
  sleeper.fallAsleep();
  waker.wake(0);
  assert.equal(sleeper.stayAwake(), false);
  assert.deepEqual(rung, [0]);
  waker.wake(0);
  assert.deepEqual(rung, [0], 'the doorbell woke it');
});
