import assert from 'node:assert/strict';
import { test } from 'node:test';
import { targetAll } from '#dist/shared/ring/index.js';
import { consumerOf, openRing, payloadOf, readAll, settle } from './ring-fixture.ts';

test('a full ring spills, and the spill keeps order', () => {
  const fixture = openRing();
  const verdicts: string[] = [];
  for (let name = 0; name < 60; name++) {
    verdicts.push(fixture.producer.write(name, targetAll, payloadOf(name, (name * 37) % 400)));
  }
  const firstSpilled = verdicts.indexOf('spilled');
  assert.ok(firstSpilled > 10);
  assert.ok(verdicts.slice(firstSpilled).every((verdict) => verdict === 'spilled'));
  assert.deepEqual(
    settle(fixture, 0),
    Array.from({ length: 60 }, (_, name) => ({ kind: name, payload: payloadOf(name, (name * 37) % 400) })),
  );
});

test('a record does not overtake those in the spill queue, even if it would fit into the ring', () => {
  const fixture = openRing();
  for (let name = 0; name < 5; name++) fixture.producer.write(name, targetAll, payloadOf(name, 1000));
  assert.equal(fixture.producer.write(5, targetAll, new Uint8Array(0)), 'spilled');
  assert.deepEqual(
    settle(fixture, 0).map((record) => record.kind),
    [0, 1, 2, 3, 4, 5],
  );
});

test('a write that finds room again takes the spilled records with it', () => {
  const fixture = openRing();
  for (let name = 0; name < 5; name++) fixture.producer.write(name, targetAll, payloadOf(name, 1000));
  const seen = readAll(consumerOf(fixture, 0));
  assert.equal(fixture.producer.write(5, targetAll, Uint8Array.of(5)), 'written');
  assert.equal(fixture.producer.spilledBytes, 0);
  seen.push(...readAll(consumerOf(fixture, 0)));
  assert.deepEqual(
    seen.map((record) => record.kind),
    [0, 1, 2, 3, 4, 5],
  );
});

test('a full spill queue answers overloaded and loses nothing that was accepted', () => {
  const fixture = openRing({ spillBytes: 8192 });
  const { producer } = fixture;
  const accepted: number[] = [];
  let overloaded = 0;
  for (let name = 0; name < 200; name++) {
    const verdict = producer.write(name, targetAll, payloadOf(name, 200));
    if (verdict === 'overloaded') overloaded += 1;
    else accepted.push(name);
    assert.ok(producer.spilledBytes <= 8192);
  }
  assert.ok(overloaded > 100);
  assert.equal(accepted.length, Math.floor(4096 / 208) + Math.floor(8192 / 208));
  assert.equal(producer.claim(200), false);
  assert.deepEqual(
    settle(fixture, 0),
    accepted.map((name) => ({ kind: name, payload: payloadOf(name, 200) })),
  );
  assert.equal(producer.write(1, targetAll, payloadOf(1, 200)), 'written');
});

test('a record larger than the bound of the spill queue is refused and changes nothing', () => {
  const fixture = openRing({ spillBytes: 4096 });
  assert.equal(fixture.producer.write(1, targetAll, new Uint8Array(5000)), 'overloaded');
  assert.equal(fixture.producer.spilledBytes, 0);
  assert.equal(fixture.producer.write(2, targetAll, new Uint8Array(1)), 'written');
  assert.deepEqual(
    settle(fixture, 0).map((record) => record.kind),
    [2],
  );
});

test('what a spilled record holds is a copy', () => {
  const fixture = openRing();
  const payload = payloadOf(1, 1000);
  for (let name = 0; name < 8; name++) fixture.producer.write(name, targetAll, payload);
  payload.fill(0);
  for (const record of settle(fixture, 0)) assert.deepEqual(record.payload, payloadOf(1, 1000));
});

test('a consumer that makes room relieves a congested producer exactly once', () => {
  const fixture = openRing({ consumers: 3 });
  for (let name = 0; name < 10; name++) fixture.producer.write(name, targetAll, payloadOf(name, 1000));
  assert.deepEqual(fixture.relieved, []);
  for (const index of [2, 0, 1]) readAll(consumerOf(fixture, index));
  assert.deepEqual(fixture.relieved, [2]);
  assert.equal(fixture.producer.flush(), false);
  for (const index of [0, 1, 2]) readAll(consumerOf(fixture, index));
  assert.deepEqual(fixture.relieved, [2, 0]);
  assert.equal(fixture.producer.flush(), true);
  assert.equal(fixture.producer.spilledBytes, 0);
});

test('a producer that is not congested is never rung', () => {
  const fixture = openRing();
  for (let round = 0; round < 200; round++) {
    assert.equal(fixture.producer.write(1, targetAll, payloadOf(round, 900)), 'written');
    readAll(consumerOf(fixture, 0));
  }
  assert.deepEqual(fixture.relieved, []);
});

test('a flush of nothing says that nothing is left', () => {
  assert.equal(openRing().producer.flush(), true);
});

test('a long backlog moves through a small ring in order and leaves no memory behind', () => {
  const fixture = openRing({ spillBytes: 1 << 22 });
  const count = 5000;
  for (let name = 0; name < count; name++) fixture.producer.write(name & 255, targetAll, payloadOf(name, 50));
  let seen = 0;
  while (seen < count) {
    for (const record of readAll(consumerOf(fixture, 0))) {
      assert.deepEqual(record, { kind: seen & 255, payload: payloadOf(seen, 50) });
      seen += 1;
    }
    fixture.producer.flush();
  }
  assert.equal(fixture.producer.spilledBytes, 0);
});
