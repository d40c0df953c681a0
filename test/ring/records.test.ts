import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRing, maxRingBytes, minRingBytes, RingConsumer, targetAll } from '#dist/shared/ring/index.js';
import { consumerOf, namesOf, openRing, payloadOf, readAll, settle } from './ring-fixture.ts';

test('records of every size up to three pieces arrive byte-equal', () => {
  const fixture = openRing({ start: 2 ** 32 - 512 });
  const { producer } = fixture;
  for (let size = 0; size <= 3 * producer.maxPieceBytes; size++) {
    const payload = payloadOf(size, size);
    const verdict = producer.write(size & 255, targetAll, payload);
    assert.notEqual(verdict, 'overloaded');
    assert.deepEqual(settle(fixture, 0), [{ kind: size & 255, payload }], `size ${size}`);
    assert.equal(producer.spilledBytes, 0);
  }
});

test('a record never crosses the end of the buffer: a skip record fills what is left', () => {
  for (let left = 8; left <= 1016; left += 8) {
    const fixture = openRing({ start: 4096 - left });
    const [head] = fixture.consumers;
    const payload = payloadOf(left, 1000);
    assert.equal(fixture.producer.write(7, targetAll, payload), 'written');
    assert.equal(fixture.producer.write(8, targetAll, payload.subarray(0, 3)), 'written');
    let contiguous = 0;
    head?.drain(10, 4096, (_kind, bytes, offset, length) => {
      assert.deepEqual(bytes.subarray(offset, offset + length), payload.subarray(0, length));
      contiguous += 1;
    });
    assert.equal(contiguous, 2, `${left} bytes before the end`);
  }
});

test('a record that ends exactly at the end of the buffer needs no skip', () => {
  const fixture = openRing({ start: 4096 - 1024 });
  assert.equal(fixture.producer.write(1, targetAll, payloadOf(1, 1016)), 'written');
  assert.equal(fixture.producer.depthBytes, 1024);
  assert.deepEqual(readAll(consumerOf(fixture, 0)), [{ kind: 1, payload: payloadOf(1, 1016) }]);
});

test('a record for one consumer reaches no other, a record for all reaches all', () => {
  const fixture = openRing({ consumers: 3 });
  fixture.producer.write(1, 1, Uint8Array.of(10));
  fixture.producer.write(1, targetAll, Uint8Array.of(20));
  fixture.producer.write(1, 2, Uint8Array.of(30));
  fixture.producer.write(1, 0, Uint8Array.of(40));
  assert.deepEqual(namesOf(readAll(consumerOf(fixture, 0))), [20, 40]);
  assert.deepEqual(namesOf(readAll(consumerOf(fixture, 1))), [10, 20]);
  assert.deepEqual(namesOf(readAll(consumerOf(fixture, 2))), [20, 30]);
});

test('a record longer than the whole ring arrives in one visit, for its target only', () => {
  const fixture = openRing({ consumers: 2 });
  const long = payloadOf(5, 20_000);
  assert.equal(fixture.producer.write(9, 1, long), 'spilled');
  assert.equal(fixture.producer.write(10, targetAll, Uint8Array.of(1)), 'spilled');
  const others: number[] = [];
  const seen = [];
  while (fixture.producer.spilledBytes > 0 || consumerOf(fixture, 1).hasMore) {
    others.push(...readAll(consumerOf(fixture, 0)).map((record) => record.kind));
    seen.push(...readAll(consumerOf(fixture, 1)));
    fixture.producer.flush();
  }
  others.push(...readAll(consumerOf(fixture, 0)).map((record) => record.kind));
  assert.deepEqual(seen, [
    { kind: 9, payload: long },
    { kind: 10, payload: Uint8Array.of(1) },
  ]);
  assert.deepEqual(others, [10]);
});

test('every kind from 0 to 255 arrives as it was given', () => {
  const fixture = openRing();
  for (let kind = 0; kind <= 255; kind++) {
    fixture.producer.write(kind, 0, Uint8Array.of(1));
    fixture.producer.write(kind, targetAll, payloadOf(1, 1017));
    assert.deepEqual(
      settle(fixture, 0).map((record) => record.kind),
      [kind, kind],
    );
  }
});

test('a commit shorter than its claim publishes only that much, and the room is used again', () => {
  const fixture = openRing();
  const { producer } = fixture;
  for (let round = 0; round < 50; round++) {
    assert.ok(producer.claim(1000));
    producer.claimBytes.fill(0xee, producer.claimOffset, producer.claimOffset + 1000);
    producer.claimBytes.set(payloadOf(round, 5), producer.claimOffset);
    assert.equal(producer.commit(1, targetAll, 5), 'written');
    assert.equal(producer.depthBytes <= 16 + 1008, true);
    assert.deepEqual(readAll(consumerOf(fixture, 0)), [{ kind: 1, payload: payloadOf(round, 5) }]);
  }
});

test('a shorter commit of a claim that was staged for the spill queue also publishes only that much', () => {
  const fixture = openRing();
  assert.ok(fixture.producer.claim(3000));
  fixture.producer.claimBytes.set(payloadOf(1, 7), fixture.producer.claimOffset);
  assert.equal(fixture.producer.commit(2, 0, 7), 'written');
  assert.deepEqual(settle(fixture, 0), [{ kind: 2, payload: payloadOf(1, 7) }]);
});

test('a commit longer than its claim is refused', () => {
  const { producer } = openRing();
  assert.ok(producer.claim(10));
  assert.throws(() => producer.commit(1, targetAll, 11), RangeError);
});

test('a claim that is not committed has no effect', () => {
  const fixture = openRing({ start: 4096 - 512 });
  const { producer } = fixture;
  for (const size of [8, 1000, 5000]) {
    assert.ok(producer.claim(size));
    producer.claimBytes.fill(0xff, producer.claimOffset, producer.claimOffset + size);
  }
  assert.equal(producer.depthBytes, 0);
  assert.equal(producer.spilledBytes, 0);
  assert.deepEqual(readAll(consumerOf(fixture, 0)), []);
  assert.equal(producer.write(1, targetAll, payloadOf(3, 40)), 'written');
  assert.deepEqual(readAll(consumerOf(fixture, 0)), [{ kind: 1, payload: payloadOf(3, 40) }]);
});

test('a record whose visitor throws counts as read, and the rest still arrives', () => {
  const fixture = openRing();
  for (const name of [1, 2, 3]) fixture.producer.write(0, targetAll, Uint8Array.of(name));
  const consumer = consumerOf(fixture, 0);
  const visited: number[] = [];
  const visit = (_kind: number, bytes: Uint8Array, offset: number): void => {
    visited.push(bytes[offset] ?? -1);
    if (bytes[offset] === 2) throw new Error('visitor failed');
  };
  assert.throws(() => consumer.drain(10, 4096, visit), /visitor failed/);
  assert.ok(consumer.hasMore);
  assert.equal(fixture.producer.depthBytes, 16, 'the room of both read records is given back');
  assert.equal(consumer.drain(10, 4096, visit), false);
  assert.deepEqual(visited, [1, 2, 3]);
});

test('a visitor that throws on a record in pieces loses no later record', () => {
  const fixture = openRing();
  fixture.producer.write(0, targetAll, payloadOf(1, 2000));
  fixture.producer.write(1, targetAll, Uint8Array.of(9));
  assert.throws(
    () =>
      consumerOf(fixture, 0).drain(10, 4096, () => {
        throw new Error('visitor failed');
      }),
    /visitor failed/,
  );
  assert.deepEqual(settle(fixture, 0), [{ kind: 1, payload: Uint8Array.of(9) }]);
});

test('drain reads at most maxRecords records and says whether more waits', () => {
  const fixture = openRing({ consumers: 2 });
  for (let name = 0; name < 10; name++) fixture.producer.write(0, name % 2 === 0 ? 0 : targetAll, Uint8Array.of(name));
  const consumer = consumerOf(fixture, 1);
  const seen: number[] = [];
  const visit = (_kind: number, bytes: Uint8Array, offset: number): void => void seen.push(bytes[offset] ?? -1);
  assert.equal(consumer.drain(2, 4096, visit), true);
  assert.deepEqual(seen, [1, 3], 'records for others do not count');
  assert.equal(consumer.drain(2, 4096, visit), true);
  assert.equal(consumer.drain(2, 4096, visit), false);
  assert.deepEqual(seen, [1, 3, 5, 7, 9]);
});

test('drain stops at maxBytes, and always reads at least one record', () => {
  const fixture = openRing();
  for (let name = 0; name < 8; name++) fixture.producer.write(0, 0, payloadOf(name, 120));
  const consumer = consumerOf(fixture, 0);
  const perTurn: number[] = [];
  for (let more = true; more; ) {
    let records = 0;
    more = consumer.drain(100, 256, () => {
      records += 1;
    });
    perTurn.push(records);
  }
  assert.deepEqual(perTurn, [2, 2, 2, 2]);
  fixture.producer.write(0, 0, payloadOf(9, 1000));
  assert.equal(
    consumer.drain(100, 1, () => {}),
    false,
  );
});

test('maxBytes also bounds a walk over records that are for others', () => {
  const fixture = openRing({ consumers: 2 });
  for (let name = 0; name < 8; name++) fixture.producer.write(0, 0, payloadOf(name, 120));
  const consumer = consumerOf(fixture, 1);
  let turns = 1;
  while (consumer.drain(1, 256, () => assert.fail('not for this consumer'))) turns += 1;
  assert.equal(turns, 4);
});

test('a consumer gives room back while it drains, not only at the end', () => {
  const fixture = openRing();
  for (let name = 0; name < 32; name++) fixture.producer.write(0, 0, payloadOf(name, 120));
  let least = 4096;
  consumerOf(fixture, 0).drain(32, 4096, () => {
    least = Math.min(least, fixture.producer.depthBytes);
  });
  assert.ok(least <= 1024, `the producer saw a depth of ${least} at best`);
});

test('what a visitor is reading stays as it is, even if the producer fills the ring meanwhile', () => {
  const fixture = openRing({ spillBytes: 64 });
  const { producer } = fixture;
  let written = 0;
  const fill = (): void => {
    while (producer.write(written & 255, targetAll, payloadOf(written, 200)) === 'written') written += 1;
    written += producer.spilledBytes > 0 ? 1 : 0;
  };
  fill();
  let seen = 0;
  consumerOf(fixture, 0).drain(200, 1 << 20, (_kind, bytes, offset, length) => {
    fill();
    assert.deepEqual(bytes.slice(offset, offset + length), payloadOf(seen, 200));
    seen += 1;
  });
  assert.ok(seen > 16);
});

test('the ring names what is wrong with its dimensions', () => {
  for (const capacity of [0, minRingBytes - 8, minRingBytes + 8, maxRingBytes * 2, Number.NaN]) {
    assert.throws(() => createRing(capacity, 1), /power of two/);
  }
  for (const consumers of [0, 257, 1.5]) assert.throws(() => createRing(4096, consumers), /consumers/);
  assert.throws(() => createRing(4096, 1, 4), /multiple of 8/);
  const memory = createRing(4096, 2);
  for (const index of [-1, 2]) {
    assert.throws(() => new RingConsumer(memory, index, { relieve: () => {} }), /no consumer/);
  }
});

test('a ring that was overwritten is reported, not read', () => {
  const fixture = openRing();
  fixture.producer.write(0, 0, Uint8Array.of(1));
  for (const length of [-1, 4096, 2 ** 31 - 1]) {
    new Int32Array(fixture.memory.buffer)[(3 * 64) / 4] = length;
    assert.throws(() => readAll(consumerOf(fixture, 0)), { code: 'ERR_RING_CORRUPT' });
  }
});
