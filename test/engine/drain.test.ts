import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startEngine } from '#dist/main/index.js';
import { connect, terminateClients } from '../support/client.ts';
import { withEngine } from '../support/leaks.ts';
import { pause, until } from '../support/waiting.ts';
import { clientsApart } from './shard-pairs.ts';

const numbers = (client: { readonly all: readonly { readonly data: unknown }[] }): unknown[] =>
  client.all.map((message) => (message.data as unknown[])[0]);

describe('draining', () => {
  it('what was answered with queued is delivered before 1001, also what had spilled', () =>
    withEngine(
      // More than all that is sent: on a busy machine the clients read late.
      { maxMessageBytes: 65_536, maxBackpressureBytes: 8_388_608, ring: { bytes: 65_536, spillBytes: 4_194_304 } },
      async (engine) => {
        const clients = await clientsApart(engine);
        for (const client of clients) await client.subscribe('last words');
        let said = 0;
        // On a busy machine shards may have read it all in a moment in which this thread was not let run.
        while (said < 3_000 || (said < 6_000 && engine.stats().ringSpilledBytes === 0)) {
          assert.equal(engine.publish('last words', { data: [said, 'x'.repeat(1_000)] }), 'queued');
          said += 1;
        }
        assert.ok(engine.stats().ringSpilledBytes > 0, 'nothing had spilled');
        await engine.drain({ graceMs: 10_000 });
        for (const client of clients) {
          assert.equal((await client.closed).code, 1001);
          assert.deepEqual(
            numbers(client),
            Array.from({ length: said }, (_, i) => i),
          );
        }
      },
    ));

  it('a client that has not read everything is given the grace period to do so', () =>
    withEngine({ maxBackpressureBytes: 67_108_864 }, async (engine) => {
      const client = await connect(engine);
      await client.subscribe('large');
      client.socket.pause();
      for (let i = 0; i < 200; i++) {
        engine.publish('large', { data: [i, 'x'.repeat(100_000)] });
        if (i % 20 === 19) await pause(5);
      }
      await until(() => engine.stats().messagesOut >= 200, 'everything to be handed out');
      const drained = engine.drain({ graceMs: 10_000 });
      await pause(300);
      client.socket.resume();
      await drained;
      assert.equal((await client.closed).code, 1001);
      assert.equal(numbers(client).filter((number) => number !== undefined).length, 200);
    }));

  it('a closed engine answers closed, and closing again waits for the same end', async () => {
    const engine = await startEngine({ shards: 2, host: '127.0.0.1', port: 0 });
    const client = await connect(engine);
    const id = await client.sync();
    const first = engine.close();
    assert.equal(engine.publish('c', { data: 1 }), 'closed');
    assert.equal(engine.send(id, { data: 1 }), 'closed');
    assert.equal(engine.disconnect(id), 'closed');
    assert.equal(engine.broadcast({ data: 1 }), 'closed');
    await Promise.all([first, engine.close(), engine.drain({ graceMs: 0 })]);
    assert.equal(engine.stats().state, 'closed');
    assert.equal(engine.send('anything', { data: 1 }), 'closed');
    await assert.rejects(engine.drain({ graceMs: -1 }), { code: 'ERR_OPTION_INVALID', path: 'graceMs' });
    terminateClients();
  });
});

describe('a shard that is lost', () => {
  const handlers = new URL('./fixtures/recording.handlers.js', import.meta.url);

  it('because a handler module calls process.exit() costs its own connections only', () =>
    withEngine({ handlers }, async (engine) => {
      const [one, two] = await clientsApart(engine);
      const lost = new Promise<number>((resolve) => engine.on('shard-lost', resolve));
      one.send({ type: 'exit' });
      assert.equal((await one.closed).code, 1012);
      assert.equal(await lost, 0);
      assert.equal(engine.stats().connections, 1);
      assert.equal(await two.sync(), two.id);
    }));

  it('gets no more connections from the fallback acceptor either', () =>
    withEngine({ shards: 3, acceptor: 'shard', handlers, restart: false }, async (engine) => {
      const victims = [];
      for (let i = 0; i < 6; i++) victims.push(await connect(engine));
      for (const victim of victims) await victim.sync();
      const victim = victims.find((client) => client.id.startsWith('2-'));
      assert.ok(victim);
      const lost = new Promise<number>((resolve) => engine.on('shard-lost', resolve));
      victim.send({ type: 'crash' });
      assert.equal(await lost, 2);
      for (let i = 0; i < 30; i++) assert.match(await (await connect(engine)).sync(), /^[01]-/);
    }));

  it('as the last one leaves an engine that says so, and still closes', () =>
    withEngine({ shards: 1, handlers, restart: false }, async (engine) => {
      const client = await connect(engine);
      const errors: string[] = [];
      engine.on('error', (error) => errors.push(error.code));
      client.send({ type: 'crash' });
      await client.closed;
      await until(() => errors.length > 0, 'the error');
      assert.deepEqual(errors, ['ERR_SHARD_FAILED']);
      assert.equal(engine.stats().state, 'closed');
      assert.equal(engine.publish('c', { data: 1 }), 'closed');
    }));
});
