import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createRing, RingConsumer, RingProducer, targetAll } from '#dist/shared/ring/index.js';

it('a producer whose congestion one reader took note of while it was awake is still rung by the next', () => {
  const memory = createRing(4096, 2);
  const relieved: number[] = [];
  const readers = [0, 1].map((index) => new RingConsumer(memory, index, { relieve: () => relieved.push(index) }));
  const producer = new RingProducer(memory, { spillBytes: 65_536, wake: () => undefined });
  for (const reader of readers) reader.attend();
  while (producer.write(1, targetAll, new Uint8Array(500)) === 'written');
  assert.ok(producer.spilledBytes > 0);

  // The first makes room, and finds the producer awake: its ringing leads to nothing. The second is still in the way.
  readers[0]?.drain(1_000, 65_536, () => undefined);
  assert.deepEqual(relieved, [0]);
  // The producer falls asleep. There is no room yet, but from here on it counts on being rung.
  assert.equal(producer.awaitRoom(), false);
  readers[1]?.drain(1_000, 65_536, () => undefined);
  assert.deepEqual(relieved, [0, 1]);
  assert.equal(producer.flush(), true);
});

it('a producer that falls asleep just after room was made finds out by itself', () => {
  const memory = createRing(4096, 1);
  const reader = new RingConsumer(memory, 0, { relieve: () => undefined });
  const producer = new RingProducer(memory, { spillBytes: 65_536, wake: () => undefined });
  reader.attend();
  while (producer.write(1, targetAll, new Uint8Array(500)) === 'written');
  reader.drain(1_000, 65_536, () => undefined);
  assert.equal(producer.awaitRoom(), true);
  assert.equal(producer.flush(), true);
  assert.equal(producer.awaitRoom(), false);
});
