import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createRing, RingConsumer, RingProducer, targetAllBut } from '#dist/shared/ring/index.js';

it('a record for all but one is read and heard by the others, and passed over by that one', () => {
  const memory = createRing(4096, 3);
  const woken: number[] = [];
  const producer = new RingProducer(memory, { spillBytes: 4096, wake: (consumer) => woken.push(consumer) });
  const readers = [0, 1, 2].map((index) => new RingConsumer(memory, index, { relieve: () => undefined }));
  for (const reader of readers) reader.attend();
  assert.equal(producer.write(9, targetAllBut(0), Uint8Array.of(1)), 'written');
  assert.deepEqual(woken, [1, 2]);
  const seen = readers.map((reader) => {
    const kinds: number[] = [];
    assert.equal(
      reader.drain(10, 4096, (kind) => kinds.push(kind)),
      false,
    );
    return kinds;
  });
  assert.deepEqual(seen, [[], [9], [9]]);
});

it('the one that is passed over is woken before it holds the ring back, so that nobody waits for a sleeper', () => {
  const memory = createRing(4096, 2);
  const readers = [0, 1].map((index) => new RingConsumer(memory, index, { relieve: () => undefined }));
  const [left, right] = readers;
  assert.ok(left && right);
  let passedOver = 0;
  const producer = new RingProducer(memory, {
    spillBytes: 4096,
    wake(consumer) {
      if (consumer === 0) {
        passedOver += 1;
        left.drain(1_000, 4096, () => assert.fail('nothing is for it'));
      } else {
        right.drain(1_000, 4096, () => undefined);
      }
    },
  });
  left.attend();
  right.attend();
  for (let i = 0; i < 1_000; i++) assert.equal(producer.write(1, targetAllBut(0), new Uint8Array(100)), 'written');
  assert.ok(passedOver > 10 && passedOver < 200, `woken ${passedOver} times`);
});
