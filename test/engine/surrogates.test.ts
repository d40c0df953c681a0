import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { firstUnits } from '#dist/shared/base/well-formed.js';
import { connect } from '../support/client.ts';
import { withEngine } from '../support/leaks.ts';

const half = 'x\ud83d';
const handlers = new URL('./fixtures/surrogates.handlers.js', import.meta.url);

describe('half of a surrogate pair, which no other thread and no client would get as it is', () => {
  it('is refused by every call of the engine and of a shard that takes a text', () =>
    withEngine({ shards: 2, handlers }, async (engine) => {
      const client = await connect(engine);
      client.send({ type: 'try' });
      const { data } = await client.next((message) => message.type === 'codes');
      assert.deepEqual(data, Array(11).fill('ERR_TEXT_INVALID'));
      const id = await client.sync();
      for (const [call, path] of [
        [() => engine.publish(half, {}), 'channel'],
        [() => engine.publishRaw(half, new Uint8Array(1)), 'channel'],
        [() => engine.publishToRoom(half, {}), 'room'],
        [() => engine.publish('c', { type: half }), 'message.type'],
        [() => engine.broadcast({ channel: half }), 'message.channel'],
        [() => engine.send(String(id), { clientId: half }), 'message.clientId'],
        [() => engine.disconnect(String(id), 4000, half), 'reason'],
      ] as const) {
        assert.throws(call, { code: 'ERR_TEXT_INVALID', path });
      }
      // As a name, too; and pairs are texts like others.
      await assert.rejects(connect(engine, { query: 'half' }), /500/);
      assert.equal(engine.stats().handlerErrorsBy['upgrade'], 1);
      assert.equal(engine.publish('👍', { type: '👍', data: half }), 'queued');
    }));

  it('comes from a JSON client as U+FFFD, in every text that names something', () =>
    withEngine({ shards: 2 }, async (engine) => {
      const [one, two] = [await connect(engine), await connect(engine)];
      one.socket.send('{"type":"subscribe","data":{"channel":"x\\ud83d"}}');
      two.socket.send('{"type":"subscribe","data":{"channel":"x\\udc4d"}}');
      await one.sync();
      await two.sync();
      engine.publish('x\ufffd', { data: 'from main' });
      one.socket.send('{"type":"publish","channel":"x\\ud83d","data":"from a client"}');
      for (const client of [one, two]) {
        const got = [await client.next(), await client.next()].map(({ channel, data }) => [channel, data]);
        assert.deepEqual(got.sort(), [
          ['x\ufffd', 'from a client'],
          ['x\ufffd', 'from main'],
        ]);
      }
    }));

  it('is not made by cutting', () => {
    assert.equal(firstUnits('ab👍', 3), 'ab');
    assert.equal(firstUnits('ab👍', 4), 'ab👍');
    assert.equal(firstUnits('ab👍c', 4), 'ab👍');
    assert.equal(firstUnits('', 4), '');
  });
});
