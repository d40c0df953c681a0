import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { PublishBatch } from '#dist/worker/transport/publish-batch.js';

interface Published {
  readonly topic: string;
  readonly payload: Buffer;
  readonly binary: boolean;
  readonly compress: boolean;
}

function recorded(): { readonly batch: PublishBatch; readonly given: Published[] } {
  const given: Published[] = [];
  const batch = new PublishBatch((topic, payload, binary, compress) =>
    given.push({ topic, payload: Buffer.from(payload), binary, compress }),
  );
  return { batch, given };
}

function texts(given: readonly Published[]): string[] {
  return given.map(({ payload }) => payload.toString());
}

const numbers = (count: number): string[] => Array.from({ length: count }, (_, number) => `${number}`);

describe('publishes of one turn', () => {
  test('as many as the library collects go at once, the others when the turn ends, in order', async () => {
    const { batch, given } = recorded();
    for (const text of numbers(200)) batch.publish('t', Buffer.from(text), false, false);
    assert.deepEqual(texts(given), numbers(31));
    await nextTurn();
    assert.deepEqual(texts(given), numbers(200));
  });

  test('after a turn with many, all of the next wait for its end; after one with few, they go at once again', async () => {
    const { batch, given } = recorded();
    const publish = (count: number): void => {
      for (const text of numbers(count)) batch.publish('t', Buffer.from(text), false, false);
    };
    publish(32);
    await nextTurn();
    publish(31);
    assert.equal(given.length, 32);
    await nextTurn();
    assert.deepEqual(texts(given.slice(32)), numbers(31));
    publish(31);
    assert.equal(given.length, 32 + 31 + 31);
  });

  test('the topic, the kind and the bytes are those of the moment of the publish', async () => {
    const { batch, given } = recorded();
    const scratch = Buffer.alloc(4);
    for (let number = 0; number < 100; number++) {
      scratch.writeUInt32BE(number);
      batch.publish(`t${number}`, scratch, number % 2 === 0, number % 3 === 0);
      scratch.fill(0xee);
    }
    await nextTurn();
    for (const [number, { topic, payload, binary, compress }] of given.entries()) {
      assert.deepEqual(
        [topic, payload.readUInt32BE(), binary, compress],
        [`t${number}`, number, number % 2 === 0, number % 3 === 0],
      );
    }
  });

  test('flush gives what waits at once, and it is not given again', async () => {
    const { batch, given } = recorded();
    for (const text of numbers(40)) batch.publish('t', Buffer.from(text), false, false);
    batch.flush();
    assert.deepEqual(texts(given), numbers(40));
    batch.publish('t', Buffer.from('40'), false, false);
    await nextTurn();
    assert.deepEqual(texts(given), numbers(41));
    batch.flush();
    assert.equal(given.length, 41);
  });

  test('only for those whom it concerns it is given before the turn ends', async () => {
    const { batch, given } = recorded();
    const member = (...topics: string[]) => ({ isSubscribed: (topic: string) => topics.includes(topic) });
    for (const text of numbers(40)) batch.publish(Number(text) < 35 ? 't' : 'u', Buffer.from(text), false, false);
    batch.flushFor(member('v'));
    batch.flushTopic('v');
    assert.equal(given.length, 31);
    batch.flushFor(member('v', 'u'));
    assert.equal(given.length, 40);
    batch.publish('t', Buffer.from('40'), false, false);
    batch.flushTopic('u');
    assert.equal(given.length, 40);
    batch.flushTopic('t');
    assert.equal(given.length, 41);
    // With many topics it is not found out.
    for (let number = 0; number < 20; number++) batch.publish(`t${number}`, Buffer.from('many'), false, false);
    assert.equal(given.length, 41);
    batch.flushFor(member());
    assert.equal(given.length, 61);
    for (let number = 0; number < 20; number++) batch.publish(`t${number}`, Buffer.from('many'), false, false);
    batch.flushTopic('none of them');
    assert.equal(given.length, 81);
    batch.publish('t', Buffer.from('last'), false, false);
    await nextTurn();
    assert.equal(given.at(-1)?.payload.toString(), 'last');
    assert.equal(given.length, 82);
  });

  test('a large message is never kept, and overtakes nothing', () => {
    const { batch, given } = recorded();
    for (const text of numbers(40)) batch.publish('t', Buffer.from(text), false, false);
    batch.publish('t', Buffer.alloc(16_384), true, false);
    assert.deepEqual(texts(given.slice(0, 40)), numbers(40));
    assert.equal(given[40]?.payload.length, 16_384);
  });

  test('what waits is bounded', async () => {
    const { batch, given } = recorded();
    const payload = Buffer.alloc(10_000);
    for (let number = 0; number < 1_000; number++) {
      payload.writeUInt32BE(number);
      batch.publish('t', payload, true, false);
      assert.ok((number + 1 - given.length) * payload.length <= 1_048_576);
    }
    assert.ok(given.length > 800);
    await nextTurn();
    assert.deepEqual(
      given.map((one) => one.payload.readUInt32BE()),
      Array.from({ length: 1_000 }, (_, number) => number),
    );
  });
});
