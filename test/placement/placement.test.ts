import assert from 'node:assert/strict';
import { execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { type EngineStats, startEngine } from '#dist/main/index.js';
import { connect } from '../support/client.ts';
import { assertNothingLeft, openResources, withEngine } from '../support/leaks.ts';
import { destroyRawSockets, openWebSocket, type RawSocket } from '../support/raw-socket.ts';
import { until } from '../support/waiting.ts';

/** As many connections as the descriptors of a process allow, at most 8,000. */
function burstSize(): number {
  const limit = Number(execFileSync('sh', ['-c', 'ulimit -n'], { encoding: 'utf8' }));
  return Number.isNaN(limit) ? 8_000 : Math.min(8_000, Math.floor((limit - 200) / 1.5));
}

/** Opens `count` WebSockets, `atOnce` at a time, as fast as they are answered. */
async function openMany(port: number, count: number, atOnce: number): Promise<RawSocket[]> {
  const raws: RawSocket[] = [];
  let begun = 0;
  const lane = async (): Promise<void> => {
    while (begun < count) {
      begun += 1;
      raws.push(await openWebSocket(port));
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  return raws;
}

describe('placement of real connections', () => {
  test('8,000 opened in a burst all arrive, and each of 4 shards has 20 to 30 % of them', async (context) => {
    const count = burstSize();
    context.diagnostic(`${count} connections`);
    const child = fork(new URL('./engine-process.js', import.meta.url));
    try {
      const ask = async <T>(message: object | string): Promise<T> => {
        child.send(message);
        const [answer] = await once(child, 'message');
        return answer;
      };
      const port = await ask<number>({ shards: 4, host: '127.0.0.1', port: 0 });
      const raws = await openMany(port, count, 1_000);
      assert.equal(raws.length, count);
      const stats = await until(async () => {
        const now = await ask<EngineStats>('stats');
        return now.connections === count ? now : undefined;
      }, 'all connections to be counted');
      const shares = stats.shards.map((shard) => shard.connections / count);
      for (const share of shares) assert.ok(share >= 0.2 && share <= 0.3, `${shares}`);
      assert.equal(stats.acceptErrors, 0);
      assert.equal(stats.handshakesAbandoned, 0);
      assert.ok(raws.every((raw) => !raw.isEnded));
      assert.equal(await ask('close'), 'closed');
      await until(() => raws.every((raw) => raw.isEnded), 'every client to be told');
      for (const raw of raws) assert.deepEqual(await raw.closeFrame(), { code: 1001, reason: '' });
      const [code] = child.exitCode === null ? await once(child, 'exit') : [child.exitCode];
      assert.equal(code, 0);
    } finally {
      destroyRawSockets();
      child.kill('SIGKILL');
    }
  });

  test("by 'address', the connections of each address are on one shard", async () => {
    await withEngine({ shards: 4, placement: { by: 'address' } }, async (engine) => {
      const shards = new Map<string, Set<number>>();
      let seen = 0;
      engine.on('connect', (connection) => {
        const known = shards.get(connection.remoteAddress) ?? new Set();
        shards.set(connection.remoteAddress, known.add(connection.shard));
        seen += 1;
      });
      const addresses = Array.from({ length: 8 }, (_, i) => `127.0.0.${i + 1}`);
      for (let round = 0; round < 10; round++) {
        await Promise.all(addresses.map((localAddress) => openWebSocket(engine.port, { localAddress })));
      }
      await until(() => seen === 80, '80 connections');
      assert.deepEqual([...shards.keys()].sort(), addresses);
      for (const [address, known] of shards) assert.equal(known.size, 1, `${address} is on ${known.size} shards`);
    });
  });

  test("by 'connection', one address comes to every shard", async () => {
    await withEngine({ shards: 4 }, async (engine) => {
      await openMany(engine.port, 200, 20);
      await until(() => engine.stats().connections === 200, '200 connections');
      for (const shard of engine.stats().shards) assert.ok(shard.connections > 0);
    });
  });
});

describe("the acceptor 'shard'", () => {
  test('hands connections out round robin, and what is published reaches all of them', async () => {
    await withEngine({ shards: 3, acceptor: 'shard' }, async (engine) => {
      const clients = [];
      for (let i = 0; i < 9; i++) clients.push(await connect(engine));
      for (const client of clients) await client.subscribe('news');
      assert.deepEqual(
        engine.stats().shards.map((shard) => shard.connections),
        [3, 3, 3],
      );
      clients[0]?.send({ type: 'publish', channel: 'news', data: 'by a client' });
      for (const client of clients) assert.equal((await client.next()).data, 'by a client');
      engine.publish('news', { data: 'by the engine' });
      for (const client of clients) assert.equal((await client.next()).data, 'by the engine');
    });
  });

  test('stops taking connections when the engine drains', async () => {
    await withEngine({ acceptor: 'shard' }, async (engine) => {
      const client = await connect(engine);
      const { port } = engine;
      await engine.drain({ graceMs: 500 });
      assert.equal((await client.closed).code, 1001);
      await assert.rejects(connect({ port }), { code: 'ECONNREFUSED' });
    });
  });

  test('cannot place by address: ERR_PLACEMENT_UNSUPPORTED, and nothing is left', async () => {
    const before = openResources();
    await assert.rejects(
      startEngine({ shards: 2, port: 0, host: '127.0.0.1', acceptor: 'shard', placement: { by: 'address' } }),
      { code: 'ERR_PLACEMENT_UNSUPPORTED', path: 'placement.by', given: 'address' },
    );
    await assertNothingLeft(before);
  });
});
