import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Engine } from '#dist/main/engine.js';
import { type EngineOptions, startEngine } from '#dist/main/index.js';
import { compileOptions } from '#dist/main/options/options.js';
import { assertNothingLeft, openResources, withEngine } from '../support/leaks.ts';
import { connectSealed, type SealedClient, terminateSealedClients } from '../support/sealed-client.ts';
import { pause, until, within } from '../support/waiting.ts';
import { engineKeys } from './own-keys.ts';

const messageCount = 1_000;
const largeBytes = 2 * 1024 * 1024;
/** How far a publisher may be ahead of the slowest subscriber. */
const window = 24;

/** 10 B and 2 MB in turns, each with its number in front. */
function payload(number: number): string {
  const head = `"${String(number).padStart(7, '0')}:`;
  return number % 2 === 0 ? `${head}"` : `${head}${'shardwire '.repeat(largeBytes / 10)}"`;
}

const large = payload(1).slice(9);

function numberOf(data: Uint8Array | null): number {
  const bytes = Buffer.from(data ?? []);
  const number = Number(bytes.toString('latin1', 1, 8));
  const wanted = number % 2 === 0 ? '"' : large;
  assert.equal(bytes.length, wanted.length + 9);
  if (number % 2 === 1) assert.equal(bytes.toString('latin1', bytes.length - 21), wanted.slice(-21));
  return number;
}

const options: EngineOptions = {
  shards: 2,
  security: { ...engineKeys, compress: { level: 1 } },
  maxMessageBytes: 4 * 1024 * 1024,
  maxBackpressureBytes: 64 * 1024 * 1024,
  ring: { bytes: 16 * 1024 * 1024 },
  offload: { threads: 2 },
};

async function inOrder(client: SealedClient, count: number, arrived: (number: number) => void): Promise<void> {
  for (let number = 0; number < count; number++) {
    assert.equal(numberOf((await client.next()).data), number);
    arrived(number);
    // What was read is not needed again.
    client.all[number] = { ...(client.all[number] as (typeof client.all)[number]), data: null };
    client.frames.length = 0;
  }
}

/** Runs `publish(number)` for each, never more than the window ahead of any subscriber. */
async function publishAll(
  clients: readonly SealedClient[],
  publish: (number: number) => boolean,
  count = messageCount,
  pauseMs = 0,
): Promise<void> {
  const seen = clients.map(() => -1);
  const done = Promise.all(
    clients.map((client, i) =>
      inOrder(client, count, (number) => {
        seen[i] = number;
      }),
    ),
  );
  for (let number = 0; number < count; ) {
    await until(() => number - Math.min(...seen) <= window, 'the subscribers', 240_000);
    const isTaken = publish(number);
    if (isTaken) number += 1;
    if (!isTaken || pauseMs > 0) await pause(isTaken ? pauseMs : 5);
  }
  await within(done, 'the last messages', 240_000);
}

describe('work in the pool', () => {
  it('keeps the order of a channel at every subscriber: 10 B and 2 MB in turns, 1,000 of them', () =>
    withEngine(options, async (engine) => {
      const forms = ['deflate2', 'deflate2', 'deflate2', 'seal3'] as const;
      const clients = await Promise.all(forms.map((form) => connectSealed(engine, { keys: engineKeys, form })));
      for (const client of clients) await client.subscribe('turns');
      await publishAll(clients, (number) => engine.publishRaw('turns', Buffer.from(payload(number))) === 'queued');
      const stats = engine.stats();
      assert.ok(stats.sealsOffloaded > 0, 'the pool was used');
      assert.equal(stats.messagesDropped, 0);
    }));

  it('keeps the order of what one connection sends', () =>
    withEngine(options, async (engine) => {
      const forms = ['deflate2', 'seal3'] as const;
      const clients = await Promise.all(forms.map((form) => connectSealed(engine, { keys: engineKeys, form })));
      for (const client of clients) await client.subscribe('turns');
      const sender = await connectSealed(engine, { keys: engineKeys, form: 'seal3' });
      await publishAll(clients, (number) => {
        sender.send({ type: 'publish', channel: 'turns', data: Buffer.from(payload(number)) }, number % 4 === 3);
        return true;
      });
      const stats = engine.stats();
      assert.ok(stats.opensOffloaded > 0, 'the pool was used');
      assert.equal(stats.openFailedDecrypt + stats.openFailedReplay + stats.openFailedFormat, 0);
    }));

  it('a connection that is closed gets what was sent to it before, then the Close frame', () =>
    withEngine(options, async (engine) => {
      const client = await connectSealed(engine, { keys: engineKeys, form: 'deflate2' });
      const id = await client.sync();
      engine.send(id, { data: large.slice(0, -1) });
      engine.disconnect(id, 4001, 'bye');
      assert.equal((await client.next()).data?.length, large.length + 1);
      assert.deepEqual(await client.closed, { code: 4001, reason: 'bye' });
    }));

  it('a drain lets the pool finish first', async () => {
    const engine = await startEngine({ host: '127.0.0.1', port: 0, ...options, shards: 1 });
    const client = await connectSealed(engine, { keys: engineKeys, form: 'deflate2' });
    await client.subscribe('last');
    for (let i = 0; i < 10; i++) engine.publishRaw('last', Buffer.from(payload(2 * i + 1)));
    await engine.drain({ graceMs: 10_000 });
    assert.equal((await client.closed).code, 1001);
    assert.deepEqual(
      client.all.map((message) => numberOf(message.data)),
      [1, 3, 5, 7, 9, 11, 13, 15, 17, 19],
    );
  });

  it('threads of the pool that crash and hang lose no message and no order', async () => {
    const before = openResources();
    const compiled = compileOptions({
      host: '127.0.0.1',
      port: 0,
      ...options,
      offload: { threads: 2, timeoutMs: 300 },
    });
    const engine = new Engine(compiled, { offloadTask: new URL('./fixtures/faulty-task.js', import.meta.url) });
    await engine.start();
    try {
      const clients = await Promise.all(
        (['deflate2', 'seal3'] as const).map((form) => connectSealed(engine, { keys: engineKeys, form })),
      );
      for (const client of clients) await client.subscribe('turns');
      const sender = await connectSealed(engine, { keys: engineKeys, form: 'seal3' });
      // Slow enough for the pool to be tried again after its rests.
      await publishAll(
        clients,
        (number) => {
          sender.send({ type: 'publish', channel: 'turns', data: Buffer.from(payload(number)) }, true);
          return true;
        },
        200,
        20,
      );
      const stats = engine.stats();
      assert.ok(stats.offloadThreadsFailed > 0, 'threads failed');
      assert.ok(stats.offloadFailed + stats.offloadLate > 0, 'shards stood in for them');
      assert.equal(stats.openFailedDecrypt + stats.openFailedReplay + stats.openFailedFormat, 0);
    } finally {
      await engine.close();
      terminateSealedClients();
    }
    await assertNothingLeft(before);
  });

  it('a job that fails in the pool, and not for its message, is done by the shard', async () => {
    const before = openResources();
    const compiled = compileOptions({ host: '127.0.0.1', port: 0, ...options, shards: 1 });
    const engine = new Engine(compiled, { offloadTask: new URL('./fixtures/exhausted-task.js', import.meta.url) });
    await engine.start();
    try {
      const client = await connectSealed(engine, { keys: engineKeys, form: 'seal3' });
      await client.subscribe('turns');
      for (let i = 0; i < 20; i++) {
        client.send({ type: 'publish', channel: 'turns', data: Buffer.from(payload(2 * i + 1)) });
        assert.equal(numberOf((await client.next()).data), 2 * i + 1);
      }
      const stats = engine.stats();
      assert.ok(stats.offloadFailed > 0);
      assert.equal(stats.openFailedFormat, 0);
      assert.equal(stats.handlerErrors, 0);
    } finally {
      await engine.close();
      terminateSealedClients();
    }
    await assertNothingLeft(before);
  });

  it('`offload: false` and a full pool: the shards do the work themselves', async () => {
    for (const offload of [false, { threads: 1, maxQueue: 1 }] as const) {
      await withEngine({ ...options, offload }, async (engine) => {
        const clients = await Promise.all(
          (['deflate2', 'seal3'] as const).map((form) => connectSealed(engine, { keys: engineKeys, form })),
        );
        for (const client of clients) await client.subscribe('last');
        for (let i = 0; i < 10; i++) engine.publishRaw('last', Buffer.from(payload(i)));
        for (const client of clients) {
          for (let i = 0; i < 10; i++) assert.equal(numberOf((await client.next()).data), i);
        }
        const { sealsOffloaded, offloadFull } = engine.stats();
        if (offload === false) assert.deepEqual([sealsOffloaded, offloadFull], [0, 0]);
        else assert.ok(offloadFull > 0);
      });
    }
  });
});
