import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { PublishBatch } from '#dist/worker/transport/uws/publish-batch.js';

interface Published {
  readonly topic: string;
  readonly payload: Buffer;
  readonly binary: boolean;
  readonly compress: boolean;
}

/** A batch for which `stepMs` pass from one look at the clock to the next: with 2 and more, publishes count as rare. */
function recorded(stepMs: number): { readonly batch: PublishBatch; readonly given: Published[] } {
  const given: Published[] = [];
  let now = 0;
  const batch = new PublishBatch(
    (topic, payload, binary, compress) => given.push({ topic, payload: Buffer.from(payload), binary, compress }),
    () => {
      now += stepMs;
      return now;
    },
  );
  return { batch, given };
}

const rare = 10;
const dense = 0;

function texts(given: readonly Published[]): string[] {
  return given.map(({ payload }) => payload.toString());
}

const numbers = (count: number): string[] => Array.from({ length: count }, (_, number) => `${number}`);

describe('publishes of one turn', () => {
  test('rare ones go at once; of more than the library collects, the others wait for the end of the turn', async () => {
    const { batch, given } = recorded(rare);
    for (const text of numbers(200)) batch.publish('t', Buffer.from(text), false, false);
    assert.deepEqual(texts(given), numbers(31));
    for (let turn = 0; turn < 4; turn++) await nextTurn();
    assert.deepEqual(texts(given), numbers(200));
  });

  test('dense ones wait from the second few on; as many as fill a write wait for the end of the turn only', async () => {
    const { batch, given } = recorded(dense);
    for (const text of numbers(48)) batch.publish('t', Buffer.from(text), false, false);
    assert.deepEqual(texts(given), numbers(16));
    await nextTurn();
    assert.deepEqual(texts(given), numbers(48));
  });

  test('while dense ones go on coming, but are few, two more turns are waited for, and never a third', async () => {
    const { batch, given } = recorded(dense);
    const publish = (count: number): void => {
      for (const text of numbers(count)) batch.publish('t', Buffer.from(text), false, false);
    };
    publish(17);
    for (let turn = 0; turn < 2; turn++) {
      await nextTurn();
      assert.equal(given.length, 16);
      publish(1);
    }
    await nextTurn();
    assert.equal(given.length, 19);
    // Still dense: nothing goes at once; and nothing more comes, so that one more turn is enough.
    publish(3);
    assert.equal(given.length, 19);
    await nextTurn();
    await nextTurn();
    assert.equal(given.length, 22);
  });

  test('once one had nobody to wait for, they go at once again', async () => {
    const { batch, given } = recorded(dense);
    for (const text of numbers(17)) batch.publish('t', Buffer.from(text), false, false);
    for (let turn = 0; turn < 3; turn++) await nextTurn();
    assert.equal(given.length, 17);
    batch.publish('t', Buffer.from('at once'), false, false);
    assert.equal(given.length, 18);
  });

  test('the topic, the kind and the bytes are those of the moment of the publish', async () => {
    const { batch, given } = recorded(rare);
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
    const { batch, given } = recorded(rare);
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
    const { batch, given } = recorded(rare);
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
    const { batch, given } = recorded(rare);
    for (const text of numbers(40)) batch.publish('t', Buffer.from(text), false, false);
    batch.publish('t', Buffer.alloc(16_384), true, false);
    assert.deepEqual(texts(given.slice(0, 40)), numbers(40));
    assert.equal(given[40]?.payload.length, 16_384);
  });

  test('what waits is bounded', async () => {
    const { batch, given } = recorded(rare);
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
