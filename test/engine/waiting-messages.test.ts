import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Engine, EngineOptions } from '#dist/main/index.js';
import { type Client, connect } from '../support/client.ts';
import { withEngine } from '../support/leaks.ts';
import { until } from '../support/waiting.ts';

const options: EngineOptions = {
  shards: 1,
  handlers: new URL('./fixtures/waiting.handlers.js', import.meta.url),
  replies: 'off',
};

const asking = { query: 'client_id=asking' };
const stuck = { query: 'client_id=stuck' };

/** Resolves once all that clients sent has come, and only `open` clients are left. */
async function settled(engine: Engine, messagesIn: number, open: number): Promise<void> {
  await until(() => {
    const stats = engine.stats();
    return stats.messagesIn === messagesIn && stats.connections === open;
  }, 'the client to have left');
}

/** A client that is in the channel and the room where the others publish, and that answers for `authorize`. */
async function openReader(engine: Engine): Promise<Client> {
  const reader = await connect(engine);
  await reader.subscribe('c');
  reader.send({ type: 'join_room', data: { room_id: 'lobby' } });
  await reader.sync();
  return reader;
}

describe('messages of a client that has left', () => {
  for (const acceptor of ['auto', 'shard'] as const) {
    it(`that authorize says yes to are carried out, and what waited behind them is counted: ${acceptor}`, () =>
      withEngine({ ...options, acceptor }, async (engine) => {
        const reader = await openReader(engine);
        const publish = { type: 'publish', channel: 'c', data: 'late' };
        const toRoom = { type: 'room', data: { room_id: 'lobby', data: 'to the room' } };
        const broadcast = { type: 'broadcast', data: 'to all' };
        const subscribe = { type: 'subscribe', data: { channel: 'c' } };
        let abandoned = 0;
        for (const [message, answer, expected] of [
          [publish, 'yes', 'late'],
          [broadcast, 'yes', 'to all'],
          // Nobody who has left is in a room.
          [toRoom, 'yes', null],
          [publish, 'no', null],
          [subscribe, 'yes', null],
        ] as const) {
          const before = engine.stats();
          const writer = await connect(engine, asking);
          for (let i = 0; i < 3; i++) writer.send(message);
          await until(() => engine.stats().messagesIn === before.messagesIn + 3, 'what was sent');
          if (answer === 'yes') writer.socket.close(1000);
          else writer.terminate();
          await settled(engine, before.messagesIn + 3, 1);
          abandoned += 2;
          assert.equal(engine.stats().messagesAbandoned, abandoned);
          const count = reader.all.length;
          reader.send({ type: answer });
          await reader.sync();
          assert.deepEqual(
            reader.all.slice(count).map(({ data }) => data),
            expected === null ? [] : [expected],
          );
        }
        const { handlerErrors, messagesAbandoned } = engine.stats();
        assert.deepEqual([handlerErrors, messagesAbandoned], [0, abandoned]);
      }));
  }

  it('a message to a room whose member the sender was is carried out, and one behind connect is counted', () =>
    withEngine(options, async (engine) => {
      const reader = await openReader(engine);
      const writer = await connect(engine, asking);
      const earlier = engine.stats().messagesIn;
      writer.send({ type: 'join_room', data: { room_id: 'lobby' } });
      writer.send({ type: 'room', data: { room_id: 'lobby', data: 'to the room' } });
      await until(() => engine.stats().messagesIn === earlier + 2, 'what was sent');
      reader.send({ type: 'yes' });
      await reader.sync();
      const { messagesIn } = engine.stats();
      writer.socket.close(1000);
      await settled(engine, messagesIn, 1);
      reader.send({ type: 'yes' });
      await until(() => reader.all.some(({ data }) => data === 'to the room'), 'the message to the room');
      const late = await connect(engine, stuck);
      const before = engine.stats();
      for (let i = 0; i < 3; i++) late.send({ type: 'publish', channel: 'c', data: i });
      await until(() => engine.stats().messagesIn === before.messagesIn + 3, 'what was sent');
      late.terminate();
      await settled(engine, before.messagesIn + 3, 1);
      assert.equal(engine.stats().messagesAbandoned - before.messagesAbandoned, 3);
    }));

  it('that are closed by the server, or wait when the engine ends, are counted too', () =>
    withEngine(options, async (engine) => {
      const client = await connect(engine, stuck);
      for (let i = 0; i < 3; i++) client.send({ type: 'note' });
      await until(() => engine.stats().messagesIn === 3, 'what was sent');
      const { shards } = engine.stats();
      assert.equal(shards[0]?.messagesAbandoned, 0);
      await engine.close();
      assert.equal(engine.stats().messagesAbandoned, 3);
    }));
});

describe('a handler that does not answer within limits.handlerMs', () => {
  it('costs its connection, with 1011, is counted and logged, and its late answer does nothing', async () => {
    const lines: string[] = [];
    const write = (fields: unknown, text?: string): void => {
      lines.push(`${text} ${JSON.stringify(fields)}`);
    };
    const logger = { debug: write, info: write, warn: write, error: write } as NonNullable<EngineOptions['logger']>;
    await withEngine({ ...options, logger, limits: { handlerMs: 100 } }, async (engine) => {
      const reader = await openReader(engine);
      const count = reader.all.length;
      const one = await connect(engine, stuck);
      const two = await connect(engine, asking);
      for (const client of [one, two]) client.send({ type: 'publish', channel: 'c', data: 'never' });
      for (const client of [one, two]) {
        assert.deepEqual(await client.closed, { code: 1011, reason: 'a handler took too long' });
      }
      const { handlersTimedOut, messagesAbandoned } = engine.stats();
      assert.deepEqual([handlersTimedOut, messagesAbandoned], [2, 2]);
      reader.send({ type: 'yes' });
      await reader.sync();
      assert.deepEqual(reader.all.slice(count), []);
    });
    const late = lines.filter((line) => line.includes('did not answer in time'));
    assert.deepEqual(late.map((line) => /"handler":"(\w+)"/.exec(line)?.[1]).sort(), ['authorize', 'connect']);
  });
});
