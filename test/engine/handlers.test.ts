import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EngineOptions } from '#dist/main/index.js';
import { type Client, connect } from '../support/client.ts';
import { withEngine } from '../support/leaks.ts';
import { pause, until } from '../support/waiting.ts';
import { clientsApart } from './shard-pairs.ts';

const options: EngineOptions = { handlers: new URL('./fixtures/recording.handlers.js', import.meta.url) };
const ofType =
  (type: string) =>
  (message: { readonly type: string }): boolean =>
    message.type === type;

/** A logger that keeps what it is told. */
function recordingLogger(): { lines: string[]; logger: NonNullable<EngineOptions['logger']> } {
  const lines: string[] = [];
  const write = (fields: unknown, text?: string): void => {
    lines.push(`${text ?? ''} ${JSON.stringify(fields)}`);
  };
  return {
    lines,
    logger: { debug: write, info: write, warn: write, error: write } as NonNullable<EngineOptions['logger']>,
  };
}

/** What handlers published on `log` so far. */
function logOf(client: Client): unknown[] {
  return client.all.filter(ofType('log')).map((message) => message.data);
}

describe('the handler module of every shard', () => {
  it('connect is awaited before the first message is handled, and messages keep their order meanwhile', () =>
    withEngine(options, async (engine) => {
      const watcher = await connect(engine);
      await watcher.subscribe('log');
      const client = await connect(engine, { query: 'client_id=slow' });
      client.send({ type: 'about-me' });
      for (let i = 0; i < 20; i++) client.send({ type: 'note', data: i });
      assert.equal((await client.next()).type, 'welcome');
      assert.deepEqual(((await client.next()).data as { greeted: boolean }).greeted, true);
      const notes = (): unknown[] => logOf(watcher).filter((entry) => (entry as string[])[1] === 'note');
      await until(() => notes().length === 20, 'all notes');
      assert.deepEqual(
        notes(),
        Array.from({ length: 20 }, (_, i) => ['message', 'note', String(i), 'own id']),
      );
    }));

  it('message sees every message, control ones too, before the engine acts on it', () =>
    withEngine(options, async (engine) => {
      const client = await connect(engine);
      // The handler logs the subscription to `log` before it is one: only the second message is seen on it.
      client.send({ type: 'subscribe', data: { channel: 'log' } });
      client.send({ type: 'unsubscribe', data: { channel: 'other' } });
      await client.next(ofType('log'));
      assert.deepEqual(logOf(client), [['message', 'unsubscribe', '{"channel":"other"}', 'own id']]);
    }));

  it('what a handler throws or rejects is counted and logged with the connection, and the connection goes on', async () => {
    const { lines, logger } = recordingLogger();
    await withEngine({ ...options, logger }, async (engine) => {
      const client = await connect(engine);
      const id = ((await client.next(ofType('welcome'))).data as { id: string }).id;
      for (const type of ['throw', 'reject', 'stray', 'reject-oddity']) client.send({ type });
      await until(() => engine.stats().handlerErrors === 4, 'the errors to be counted');
      for (const text of ['message throws', 'message rejects', 'a promise that nobody awaits']) {
        await until(() => lines.some((line) => line.includes(text)), text);
      }
      assert.ok(lines.some((line) => line.includes('message throws') && line.includes(id)));
      assert.equal(await client.sync(), id);
      const rejected = await connect(engine, { query: 'client_id=rejects' });
      const thrown = await connect(engine, { query: 'client_id=throws' });
      await rejected.sync();
      await thrown.sync();
      assert.equal(engine.stats().handlerErrors, 6);
      assert.equal(engine.stats().connections, 3);
    });
  });

  it('disconnect is called once per connection, with the code and reason of the client', () =>
    withEngine(options, async (engine) => {
      const watcher = await connect(engine);
      await watcher.subscribe('log');
      const polite = await connect(engine, { query: 'client_id=polite' });
      const rude = await connect(engine, { headers: { 'X-Client-ID': 'rude' } });
      await Promise.all([polite.sync(), rude.sync()]);
      await polite.close(4005, 'done');
      rude.terminate();
      await until(() => logOf(watcher).filter((entry) => (entry as string[])[0] === 'disconnect').length === 2, 'both');
      const ends = logOf(watcher).filter((entry) => (entry as string[])[0] === 'disconnect');
      assert.deepEqual(ends, [
        ['disconnect', 'polite', '4005', 'done', 'ended'],
        ['disconnect', 'rude', '1006', '', 'ended'],
      ]);
    }));

  it('authorize decides, may be slow, and never lets a later message overtake', () =>
    withEngine({ ...options, replies: 'all' }, async (engine) => {
      const client = await connect(engine);
      await client.next(ofType('welcome'));
      // The publish comes in while the subscription is being decided.
      client.send({ type: 'subscribe', data: { channel: 'slow' } });
      client.send({ type: 'publish', channel: 'slow', data: 'kept' });
      client.send({ type: 'subscribe', data: { channel: 'refused' } });
      client.send({ type: 'join_room', data: { room_id: 'explodes' } });
      client.send({ type: 'broadcast', data: 'allowed here' });
      await client.next(ofType('broadcast'));
      await client.next((message) => message.type === 'ok' && (message.data as { for: string }).for === 'broadcast');
      assert.deepEqual(
        client.all.filter((message) => message.type !== 'welcome').map((message) => [message.type, message.data]),
        [
          ['ok', { for: 'subscribe', target: 'slow' }],
          ['message', 'kept'],
          ['ok', { for: 'publish', target: 'slow' }],
          ['error', { code: 'ERR_FORBIDDEN', message: 'not allowed', for: 'subscribe' }],
          ['error', { code: 'ERR_FORBIDDEN', message: 'not allowed', for: 'join_room' }],
          ['broadcast', 'allowed here'],
          ['ok', { for: 'broadcast', target: '' }],
        ],
      );
      assert.equal(engine.stats().handlerErrors, 1);
      client.send({ type: 'subscribe', data: { channel: 'thenable' } });
      await client.next((message) => (message.data as { target?: string }).target === 'thenable');
      const nobody = await connect(engine, { query: 'client_id=nobody' });
      nobody.send({ type: 'publish', channel: 'x', data: 1 });
      assert.equal(((await nobody.next(ofType('error'))).data as { code: string }).code, 'ERR_FORBIDDEN');
    }));

  it('a shard’s API reaches connections, channels, rooms and everyone on other shards', () =>
    withEngine(options, async (engine) => {
      const [one, two] = await clientsApart(engine);
      one.send({ type: 'relay', data: { to: two.id, text: 'over there' } });
      assert.deepEqual((await two.next(ofType('relayed'))).data, 'over there');
      assert.equal((await one.next(ofType('verdict'))).data, 'queued');
      one.send({ type: 'relay', data: { to: one.id, text: 'over here' } });
      assert.deepEqual((await one.next(ofType('relayed'))).data, 'over here');
      one.send({ type: 'relay', data: { to: 'nobody', text: '' } });
      assert.equal((await one.next((message) => message.data === 'not-found')).type, 'verdict');
      await two.subscribe('news');
      await two.joinRoom('lobby');
      one.send({ type: 'everywhere' });
      for (const data of ['channel', 'room', 'everyone']) await two.next((message) => message.data === data);
      one.send({ type: 'kick', data: { to: two.id } });
      assert.deepEqual(await two.closed, { code: 4002, reason: 'kicked' });
    }));

  it('a connection tells what is known of it, and a close reason is cut at a character', () =>
    withEngine(options, async (engine) => {
      const client = await connect(engine, { query: 'client_id=subscribed-by-handler' });
      await client.joinRoom('lobby');
      client.send({ type: 'about-me' });
      assert.deepEqual((await client.next(ofType('about-you'))).data, {
        name: 'subscribed-by-handler',
        codec: 'json',
        address: '127.0.0.1',
        greeted: true,
        channels: ['given'],
        rooms: ['lobby'],
        open: true,
        buffered: 0,
      });
      engine.publish('given', { data: 'subscribed' });
      assert.equal((await client.next(ofType('message'))).data, 'subscribed');
      client.send({ type: 'close-me' });
      assert.deepEqual(await client.closed, { code: 4003, reason: 'é'.repeat(61) });
    }));

  it('an uncaught error costs its own shard only: 1012 there, nothing elsewhere, shard-lost in main, no abort', () =>
    withEngine(options, async (engine) => {
      const [one, two] = await clientsApart(engine);
      const lost = new Promise<[number, string]>((resolve) => {
        engine.on('shard-lost', (shard, error) => resolve([shard, error.message]));
      });
      await two.subscribe('still here');
      one.send({ type: 'crash' });
      assert.equal((await one.closed).code, 1012);
      assert.deepEqual(await lost, [0, 'an uncaught error']);
      assert.equal(engine.publish('still here', { data: 1 }), 'queued');
      assert.equal((await two.next(ofType('message'))).data, 1);
      assert.equal(engine.send(one.id, { data: 1 }), 'not-found');
      // New connections go to the shards that are left.
      for (let i = 0; i < 10; i++) assert.match(await (await connect(engine)).sync(), /^1-/);
    }));
});

describe('connections on their way to a shard that dies', () => {
  it('are closed or refused, not forgotten', async () => {
    let opened = 40;
    // Where this process was held up, the shard is replaced before anybody was on the way to it.
    for (let round = 0; round < 5 && opened === 40; round++) {
      await withEngine(options, async (engine) => {
        const [one, two] = await clientsApart(engine);
        one.send({ type: 'block-and-exit' });
        await pause(50);
        const openings = await Promise.allSettled(Array.from({ length: 40 }, () => connect(engine)));
        opened = openings.filter((opening) => opening.status === 'fulfilled').length;
        await one.closed;
        assert.equal(await two.sync(), two.id);
      });
    }
    assert.ok(opened > 0 && opened < 40, `${opened} of 40 were opened`);
  });
});

describe('listeners in the main thread', () => {
  it('hear of connections, messages and ends, and can answer', () =>
    withEngine({}, async (engine) => {
      const events: unknown[] = [];
      engine.on('connect', (connection) => {
        events.push(['connect', connection.name, connection.codec, connection.remoteAddress, connection.shard]);
      });
      engine.on('message', (connection, message) => {
        events.push(['message', message.type, message.data.json(), message.clientId === connection.id]);
        connection.send({ type: 'answer', data: message.data.json() as number });
      });
      engine.on('disconnect', (_connection, code, reason) => events.push(['disconnect', code, reason]));
      await new Promise((resolve) => setImmediate(resolve));
      const client = await connect(engine, { query: 'client_id=me' });
      client.send({ type: 'question', data: 42 });
      assert.equal((await client.next(ofType('answer'))).data, 42);
      await client.close(4000, 'bye');
      await until(() => events.length === 3, 'all events');
      assert.deepEqual(events, [
        ['connect', 'me', 'json', '127.0.0.1', (events[0] as unknown[])[4]],
        ['message', 'question', 42, true],
        ['disconnect', 4000, 'bye'],
      ]);
    }));

  it('nothing is forwarded to main without a listener, nor after the last one was removed', () =>
    withEngine({ replies: 'errors' }, async (engine) => {
      const client = await connect(engine);
      client.send({ type: 'question', data: 1 });
      assert.equal(((await client.next(ofType('error'))).data as { code: string }).code, 'ERR_TYPE_UNKNOWN');
      let heard = 0;
      const listener = (): void => {
        heard += 1;
      };
      engine.on('message', listener);
      await new Promise((resolve) => setImmediate(resolve));
      client.send({ type: 'question', data: 2 });
      await until(() => heard === 1, 'the message');
      engine.removeAllListeners();
      client.send({ type: 'question', data: 3 });
      assert.equal(((await client.next(ofType('error'))).data as { code: string }).code, 'ERR_TYPE_UNKNOWN');
      engine.once('message', listener);
      await new Promise((resolve) => setImmediate(resolve));
      client.send({ type: 'question', data: 4 });
      await until(() => heard === 2, 'the message');
      client.send({ type: 'question', data: 5 });
      await client.next(ofType('error'));
      assert.equal(heard, 2);
    }));

  it('what a listener throws or rejects is counted and logged, and the others are still called', async () => {
    const { lines, logger } = recordingLogger();
    await withEngine({ logger }, async (engine) => {
      let heard = 0;
      engine.on('message', () => {
        throw new Error('listener throws');
      });
      engine.on('message', async () => {
        await Promise.reject(new Error('listener rejects'));
      });
      engine.on('message', () => {
        heard += 1;
      });
      await new Promise((resolve) => setImmediate(resolve));
      const client = await connect(engine);
      client.send({ type: 'question' });
      await until(() => heard === 1 && engine.stats().handlerErrors === 2, 'the third listener');
      assert.equal(lines.length, 2);
    });
  });

  it('hear every message once and in order under load', () =>
    withEngine({ shards: 3 }, async (engine) => {
      const heard = new Map<string, number[]>();
      engine.on('message', (connection, message) => {
        const list = heard.get(connection.id) ?? [];
        heard.set(connection.id, list);
        list.push(message.data.json() as number);
      });
      await new Promise((resolve) => setImmediate(resolve));
      const clients = await Promise.all(Array.from({ length: 12 }, () => connect(engine)));
      for (let i = 0; i < 2_000; i++) for (const client of clients) client.send({ type: 'count', data: i });
      const complete = (): boolean => heard.size === 12 && [...heard.values()].every((list) => list.length === 2_000);
      await until(complete, 'all messages');
      for (const list of heard.values())
        assert.deepEqual(
          list,
          Array.from({ length: 2_000 }, (_, i) => i),
        );
    }));
});
