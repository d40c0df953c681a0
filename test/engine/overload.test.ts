import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { connect } from '../support/client.ts';
import { withEngine } from '../support/leaks.ts';
import { pause, until } from '../support/waiting.ts';
import { clientsApart } from './shard-pairs.ts';

const blocking = new URL('./fixtures/blocking.handlers.js', import.meta.url);

describe('overload', () => {
  it('a publish that no queue can take is refused as a whole; what was accepted arrives once and in order', () =>
    withEngine(
      { handlers: blocking, maxMessageBytes: 65_536, ring: { bytes: 65_536, spillBytes: 1_048_576 } },
      async (engine) => {
        const [busy, free] = await clientsApart(engine);
        await busy.subscribe('flood');
        await free.subscribe('flood');
        busy.send({ type: 'block' });
        await pause(100);
        // One shard reads nothing for three seconds: its lag holds the ring.
        const accepted: number[] = [];
        let refused = 0;
        for (let i = 0; i < 3_000; i++) {
          if (engine.publish('flood', { data: [i, 'x'.repeat(1_000)] }) === 'queued') accepted.push(i);
          else refused += 1;
        }
        assert.ok(accepted.length > 500 && refused > 500, `${accepted.length} accepted, ${refused} refused`);
        assert.equal(engine.stats().overloaded, refused);
        const numbers = (client: typeof busy): unknown[] => client.all.map((message) => (message.data as unknown[])[0]);
        for (const client of [busy, free]) {
          await until(() => client.all.length >= accepted.length, 'all accepted messages');
          assert.deepEqual(numbers(client), accepted);
        }
        // And all is well again.
        assert.equal(engine.publish('flood', { data: ['after'] }), 'queued');
        for (const client of [busy, free]) await client.next((message) => (message.data as unknown[])[0] === 'after');
        assert.equal(engine.stats().ringSpilledBytes, 0);
      },
    ));

  it('a client whose publish is refused is told so', () =>
    withEngine(
      { handlers: blocking, maxMessageBytes: 65_536, ring: { bytes: 65_536, spillBytes: 1_048_576 } },
      async (engine) => {
        const [busy, free] = await clientsApart(engine);
        await free.subscribe('flood');
        busy.send({ type: 'block' });
        await pause(100);
        const text = JSON.stringify({ type: 'publish', channel: 'flood', data: 'x'.repeat(50_000) });
        for (let i = 0; i < 100; i++) free.sendText(text);
        const { data } = await free.next((message) => message.type === 'error');
        assert.deepEqual(data, {
          code: 'ERR_OVERLOADED',
          message: 'the server is overloaded, try later',
          for: 'publish',
        });
        const delivered = (): number => free.all.filter((message) => message.type === 'message').length;
        const refused = (): number => free.all.filter((message) => message.type === 'error').length;
        await until(() => delivered() + refused() >= 100, 'an answer or a delivery for each publish');
        await free.sync(120_000);
        assert.equal(delivered() + refused(), 100);
        assert.equal(engine.stats().overloaded, refused());
      },
    ));
});

describe('a client that does not read', () => {
  const message = { data: 'x'.repeat(50_000) };

  it('is closed once its bound is reached, while others get everything', () =>
    withEngine({ shards: 1, maxBackpressureBytes: 262_144, writeWaitMs: 100 }, async (engine) => {
      const reader = await connect(engine);
      await reader.subscribe('stream');
      const sleeper = await connect(engine);
      await sleeper.subscribe('stream');
      sleeper.socket.pause();
      let sent = 0;
      while (engine.stats().slowConsumersClosed === 0 && sent < 2_000) {
        engine.publish('stream', message);
        sent += 1;
        if (sent % 10 === 0) await pause(1);
      }
      assert.equal(engine.stats().slowConsumersClosed, 1);
      await until(() => reader.all.length === sent, 'everything at the reader');
      await until(() => engine.stats().connections === 1, 'the end of the sleeper');
      assert.equal(engine.stats().slowConsumersClosed, 1);
    }));

  it('loses messages but stays, counted, if the policy is drop', () =>
    withEngine({ shards: 1, maxBackpressureBytes: 262_144, slowConsumer: 'drop' }, async (engine) => {
      const sleeper = await connect(engine);
      await sleeper.subscribe('stream');
      sleeper.socket.pause();
      for (let sent = 0; engine.stats().messagesDropped < 20 && sent < 2_000; sent++) {
        engine.publish('stream', message);
        if (sent % 10 === 0) await pause(1);
      }
      const { messagesDropped, slowConsumersClosed, connections } = engine.stats();
      assert.ok(messagesDropped >= 20);
      assert.deepEqual([slowConsumersClosed, connections], [0, 1]);
    }));
});
