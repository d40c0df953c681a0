import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { connect } from '../support/client.ts';
import { withEngine } from '../support/leaks.ts';
import { pause, until } from '../support/waiting.ts';
import { clientPerShard, clientsApart, shardOf } from './shard-pairs.ts';

const isError = (message: { readonly type: string }): boolean => message.type === 'error';

describe('messages between shards', () => {
  it('a publish reaches subscribers on every shard, the publisher too if it subscribed, and nobody else', () =>
    withEngine({ shards: 3 }, async (engine) => {
      const [one, two, three] = await clientPerShard(engine);
      assert.ok(one && two && three);
      await one.subscribe('news');
      await two.subscribe('news');
      one.send({ type: 'publish', channel: 'news', data: { headline: 'é 频道' }, timestamp: 5, client_id: 'forged' });
      for (const client of [one, two]) {
        const message = await client.next();
        assert.equal(message.type, 'message');
        assert.equal(message.channel, 'news');
        assert.deepEqual(message.data, { headline: 'é 频道' });
        assert.equal(message.timestamp, 5n);
        assert.equal(message.client_id, one.id, 'client_id is always the connection’s own');
      }
      await three.sync();
      await three.sync();
      assert.deepEqual(three.all, []);
      // The publisher need not be subscribed.
      three.send({ type: 'publish', channel: 'news', data: null });
      assert.equal((await one.next()).client_id, three.id);
      assert.equal((await two.next()).data, null);
    }));

  it('the server stamps a missing timestamp with nanoseconds since the epoch', () =>
    withEngine({}, async (engine) => {
      const [one, two] = await clientsApart(engine);
      await two.subscribe('clock');
      const before = BigInt(Date.now() - 1_000) * 1_000_000n;
      one.send({ type: 'publish', channel: 'clock', data: 1 });
      const { timestamp } = await two.next();
      const after = BigInt(Date.now() + 1_000) * 1_000_000n;
      assert.ok(timestamp > before && timestamp < after, `${timestamp} is not now`);
    }));

  it('the messages of one publisher arrive in order at subscribers of its own and of another shard', () =>
    withEngine({}, async (engine) => {
      const [one, two] = await clientsApart(engine);
      await one.subscribe('ordered');
      await two.subscribe('ordered');
      for (let i = 0; i < 3_000; i++) one.send({ type: 'publish', channel: 'ordered', data: i });
      for (const client of [one, two]) {
        await until(() => client.all.length >= 3_000, 'all messages');
        assert.deepEqual(
          client.all.map((message) => message.data),
          Array.from({ length: 3_000 }, (_, i) => i),
        );
      }
    }));

  it('a message larger than the whole ring crosses shards unchanged, and smaller ones around it stay in order', () =>
    withEngine({ ring: { bytes: 65_536 } }, async (engine) => {
      const [one, two] = await clientsApart(engine);
      await two.subscribe('large');
      const large = randomBytes(180_000).toString('hex');
      one.send({ type: 'publish', channel: 'large', data: 'before' });
      one.send({ type: 'publish', channel: 'large', data: large });
      one.send({ type: 'publish', channel: 'large', data: 'after' });
      assert.equal((await two.next()).data, 'before');
      assert.equal((await two.next()).data, large);
      assert.equal((await two.next()).data, 'after');
    }));

  it('data that is not JSON reaches JSON clients as data_base64, and comes from them so', () =>
    withEngine({}, async (engine) => {
      const [one, two] = await clientsApart(engine);
      await two.subscribe('bytes');
      assert.equal(engine.publishRaw('bytes', Uint8Array.of(0, 255, 10)), 'queued');
      const fromMain = await two.next();
      assert.deepEqual([fromMain.data, fromMain.data_base64], [null, 'AP8K']);
      one.send({ type: 'publish', channel: 'bytes', data_base64: 'AP8K' });
      const fromClient = await two.next();
      assert.deepEqual([fromClient.data, fromClient.data_base64], [null, 'AP8K']);
      // Raw bytes that are JSON are embedded as they are, their own whitespace too.
      engine.publishRaw('bytes', Buffer.from('{ "a" : 1 }'));
      assert.match((await two.next()).text, /"data":\{ "a" : 1 \},/);
    }));

  it('broadcast and broadcastRaw reach every connection of every shard', () =>
    withEngine({ shards: 3 }, async (engine) => {
      const clients = await clientPerShard(engine);
      assert.equal(engine.broadcast({ data: 'all' }), 'queued');
      assert.equal(engine.broadcastRaw(Buffer.from('[1]')), 'queued');
      for (const client of clients) {
        const first = await client.next();
        assert.deepEqual(
          [first.type, first.data, first.channel, first.client_id],
          ['broadcast', 'all', undefined, undefined],
        );
        assert.deepEqual((await client.next()).data, [1]);
      }
    }));

  it('a client may not broadcast unless an authorize handler lets it', () =>
    withEngine({}, async (engine) => {
      const [one, two] = await clientsApart(engine);
      one.send({ type: 'broadcast', data: 'to all' });
      const { data } = await one.next(isError);
      assert.deepEqual(data, { code: 'ERR_FORBIDDEN', message: 'not allowed', for: 'broadcast' });
      await two.sync();
      assert.deepEqual(two.all, []);
      assert.equal(engine.stats().controlRefused, 1);
    }));
});

describe('rooms', () => {
  it('members of a room on different shards talk, outsiders neither hear nor speak', () =>
    withEngine({ shards: 3 }, async (engine) => {
      const [one, two, outsider] = await clientPerShard(engine);
      assert.ok(one && two && outsider);
      await one.joinRoom('lobby');
      await two.joinRoom('lobby');
      one.send({ type: 'room', data: { room_id: 'lobby', data: { text: 'hi' } } });
      for (const client of [one, two]) {
        const message = await client.next();
        assert.deepEqual([message.type, message.channel, message.client_id], ['room', 'lobby', one.id]);
        assert.deepEqual(message.data, { text: 'hi' });
      }
      outsider.send({ type: 'room', data: { room_id: 'lobby', data: 1 } });
      assert.equal(((await outsider.next(isError)).data as { code: string }).code, 'ERR_NOT_A_MEMBER');
      assert.deepEqual(
        outsider.all.filter((message) => message.type === 'room'),
        [],
      );

      two.send({ type: 'leave_room', data: { room_id: 'lobby' } });
      await two.sync();
      assert.equal(engine.publishToRoom('lobby', { data: 'from the server' }), 'queued');
      assert.equal((await one.next()).data, 'from the server');
      await two.sync();
      assert.equal(two.all.length, 1);
    }));

  it('a room and a channel of one name have nothing to do with each other', () =>
    withEngine({}, async (engine) => {
      const [one, two] = await clientsApart(engine);
      await one.joinRoom('same');
      await two.subscribe('same');
      engine.publish('same', { data: 'channel' });
      engine.publishToRoom('same', { data: 'room' });
      assert.equal((await one.next()).data, 'room');
      assert.equal((await two.next()).data, 'channel');
      await Promise.all([one.sync(), two.sync()]);
      assert.equal(one.all.length + two.all.length, 2);
    }));

  it('membership is idempotent, and channels and rooms are gone with their last member, however it left', () =>
    withEngine({}, async (engine) => {
      const [one, two] = await clientsApart(engine);
      await one.subscribe('a', 'a', 'a');
      await one.joinRoom('r', 'r');
      await two.joinRoom('r');
      engine.publish('a', { data: 1 });
      engine.publishToRoom('r', { data: 2 });
      await one.next((message) => message.data === 2);
      assert.deepEqual(
        one.all.map((message) => message.data),
        [1, 2],
      );
      one.send({ type: 'unsubscribe', data: { channel: 'never-joined' } });
      one.send({ type: 'leave_room', data: { room_id: 'never-joined' } });
      one.send({ type: 'unsubscribe', data: { channel: 'a' } });
      await one.sync();
      engine.publish('a', { data: 3 });
      await one.sync();
      assert.equal(one.all.length, 2);
      await until(() => engine.stats().channels === 0, 'the channels to go');
      assert.equal(engine.stats().rooms, 2, 'one per shard with a member');
      one.terminate();
      await two.close();
      await until(() => engine.stats().rooms === 0, 'the room to go');
      assert.equal(engine.stats().connections, 0);
    }));
});

describe('one connection, by its id', () => {
  it('send and disconnect from main find the shard from the id alone', () =>
    withEngine({ shards: 3 }, async (engine) => {
      const clients = await clientPerShard(engine);
      for (const client of clients) {
        assert.equal(engine.send(client.id, { type: 'direct', data: { to: client.id } }), 'queued');
        const message = await client.next();
        assert.deepEqual([message.type, message.data], ['direct', { to: client.id }]);
        assert.equal(engine.disconnect(client.id, 4001, 'bye'), 'queued');
        assert.deepEqual(await client.closed, { code: 4001, reason: 'bye' });
      }
      assert.deepEqual(
        clients.map((client) => client.all.length),
        [1, 1, 1],
      );
    }));

  it('an id that no connection has is not found, and one that has ended is counted as undeliverable', () =>
    withEngine({}, async (engine) => {
      for (const id of ['', 'nonsense', '9-abc-1', '-1', '0', 'zz-1-1', '__proto__']) {
        assert.equal(engine.send(id, { data: 1 }), 'not-found', id);
        assert.equal(engine.disconnect(id), 'not-found', id);
      }
      const client = await connect(engine);
      const id = await client.sync();
      await client.close();
      assert.equal(engine.send(id, { data: 1 }), 'queued');
      assert.equal(engine.disconnect(id), 'queued');
      await until(() => engine.stats().undeliverable === 2, 'both to be counted');
      // The id of another engine's connection, on a shard that exists.
      assert.equal(engine.send(`${shardOf(id)}-ffffffff-1`, { data: 1 }), 'queued');
      await until(() => engine.stats().undeliverable === 3, 'the third to be counted');
    }));

  it('what main says to one connection arrives in order', () =>
    withEngine({}, async (engine) => {
      const [one] = await clientsApart(engine);
      for (let i = 0; i < 2_000; i++) engine.send(one.id, { data: i });
      await until(() => one.all.length >= 2_000, 'all messages');
      assert.deepEqual(
        one.all.map((message) => message.data),
        Array.from({ length: 2_000 }, (_, i) => i),
      );
    }));

  it('messages and close codes that cannot be sent are refused with a typed error, before anything happens', () =>
    withEngine({}, async (engine) => {
      const client = await connect(engine);
      const id = await client.sync();
      const circular: Record<string, unknown> = {};
      circular['self'] = circular;
      const bad: readonly (readonly [string, () => unknown])[] = [
        ['ERR_MESSAGE_INVALID', () => engine.send(id, { data: circular })],
        ['ERR_MESSAGE_INVALID', () => engine.publish('c', { timestamp: 2n ** 63n })],
        ['ERR_MESSAGE_INVALID', () => engine.publish('c', { type: 5 } as never)],
        ['ERR_MESSAGE_INVALID', () => engine.broadcast(null as never)],
        ['ERR_MESSAGE_INVALID', () => engine.broadcast({ data: (() => 1) as never })],
        ['ERR_CHANNEL_INVALID', () => engine.publish('', { data: 1 })],
        ['ERR_CHANNEL_INVALID', () => engine.publish('é'.repeat(128), { data: 1 })],
        ['ERR_ROOM_INVALID', () => engine.publishToRoom('', { data: 1 })],
        ['ERR_MESSAGE_INVALID', () => engine.broadcast({ data: new Map([[1, 2]]) })],
        ['ERR_MESSAGE_INVALID', () => engine.publish('c', { data: new Uint8Array(70_000_000) })],
        ['ERR_CLOSE_CODE_INVALID', () => engine.disconnect(id, 4000, null as never)],
        ['ERR_CLOSE_CODE_INVALID', () => engine.disconnect(id, 1005)],
        ['ERR_CLOSE_CODE_INVALID', () => engine.disconnect(id, 5000)],
      ];
      for (const [code, act] of bad) assert.throws(act, { name: 'EngineError', code });
      await client.sync();
      await pause(20);
      assert.deepEqual(client.all, []);
    }));
});
