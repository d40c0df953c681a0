import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { withEngine } from '../support/leaks.ts';
import { frameBytes, opcode } from '../support/raw-frames.ts';
import { openWebSocket } from '../support/raw-socket.ts';
import { until } from '../support/waiting.ts';

const batchMost = 31;

describe('what a client that does not read loses is counted', () => {
  test('small published messages: the truth is between the count, and 31 more for each batch', () =>
    withEngine({ shards: 1, slowConsumer: 'drop', maxBackpressureBytes: 65_536 }, async (engine) => {
      const raw = await openWebSocket(engine.port);
      raw.sendJson({ type: 'subscribe', data: { channel: 'ticks' } });
      await until(() => engine.stats().channels === 1, 'the subscription');
      raw.socket.pause();
      const data = 'x'.repeat(1_000);
      let published = 0;
      while (engine.stats().messagesDropped < 2_000) {
        assert.ok(published < 200_000, 'something is dropped before that');
        for (let i = 0; i < 500; i++) if (engine.publish('ticks', { data }) === 'queued') published += 1;
        await until(() => engine.stats().encodes >= published, 'the shard to have taken them');
      }
      raw.socket.resume();
      await until(() => engine.stats().messagesOut >= published, 'the last publish to be handed over');
      // What is published now comes behind everything that was not dropped.
      await until(async () => {
        engine.publish('ticks', { type: 'last', data: 1 });
        return raw.frames.some(({ payload }) => payload.includes('"type":"last"'));
      }, 'the end');
      const received = raw.frames.filter(({ payload }) => payload.includes('"type":"message"')).length;
      const { messagesDropped, batchesDropped, pongsDropped } = engine.stats();
      const lost = published - received;
      assert.ok(lost >= messagesDropped - 1, `${lost} were lost, ${messagesDropped} counted`);
      assert.ok(lost <= messagesDropped + batchMost * batchesDropped, `${lost} lost, ${batchesDropped} batches`);
      assert.equal(pongsDropped, 0);
    }));

  test('pongs are counted apart, and a client that only pings is not closed for them', () =>
    withEngine({ shards: 1, maxBackpressureBytes: 65_536 }, async (engine) => {
      const raw = await openWebSocket(engine.port);
      raw.socket.pause();
      const ping = frameBytes({ opcode: opcode.ping, payload: 'p'.repeat(125) });
      const many = Buffer.concat(Array.from({ length: 500 }, () => ping));
      await until(() => {
        if (raw.socket.writableLength < 1_000_000) raw.write(many);
        return engine.stats().pongsDropped > 100;
      }, 'pongs to be dropped');
      const { messagesDropped, slowConsumersClosed, connections } = engine.stats();
      assert.deepEqual(
        { messagesDropped, slowConsumersClosed, connections },
        { messagesDropped: 0, slowConsumersClosed: 0, connections: 1 },
      );
      raw.destroy();
    }));
});
