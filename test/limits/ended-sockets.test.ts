import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Engine } from '#dist/main/index.js';
import { withEngine } from '../support/leaks.ts';
import { openRaw, type RawSocket } from '../support/raw-socket.ts';
import { until } from '../support/waiting.ts';

async function statusOf(engine: Engine): Promise<number> {
  const raw = await openRaw(engine.port);
  const { status } = await raw.handshake();
  raw.destroy();
  return status;
}

/** Connections that have had their Close frame, and whose clients do not end their side. */
async function endedButThere(engine: Engine, count: number): Promise<RawSocket[]> {
  const raws: RawSocket[] = [];
  for (let i = 0; i < count; i++) {
    const raw = await openRaw(engine.port, { allowHalfOpen: true });
    assert.equal((await raw.handshake()).status, 101);
    raws.push(raw);
  }
  for (const raw of raws) raw.sendClose(1000);
  return raws;
}

for (const acceptor of ['auto', 'shard'] as const) {
  describe(`limits of connections and sockets of ended ones, acceptor ${acceptor}`, () => {
    for (const [limits, status, code] of [
      [{ connections: 5 }, 503, 'ERR_LIMIT_CONNECTIONS'],
      [{ connectionsPerAddress: 5 }, 429, 'ERR_LIMIT_CONNECTIONS_PER_ADDRESS'],
    ] as const) {
      test(`${Object.keys(limits).join()}: a place is taken until the socket is gone, and comes back without its client's help`, async () => {
        await withEngine({ acceptor, limits }, async (engine) => {
          const raws = await endedButThere(engine, 5);
          for (const raw of raws) assert.equal((await raw.closeFrame()).code, 1000);
          await until(() => engine.stats().connections === 0, 'the end of the connections');
          // Unless the first one was cut already, on a slow machine, there is no place.
          const reply = await statusOf(engine);
          if (engine.stats().connectionsCut === 0) assert.equal(reply, status);
          assert.equal(engine.stats().refusals[code] ?? 0, engine.stats().handshakesRefused);
          await until(() => engine.stats().connectionsEnding === 0, 'the end of the sockets');
          assert.ok(engine.stats().connectionsCut >= 1, 'none was cut');
          assert.equal(await statusOf(engine), 101);
        });
      });
    }

    test('clients that end as they should leave their places free for as many more', async () => {
      await withEngine({ acceptor, limits: { connections: 5 } }, async (engine) => {
        for (let round = 0; round < 4; round++) {
          const raws = await Promise.all(Array.from({ length: 5 }, () => openRaw(engine.port)));
          for (const raw of raws) assert.equal((await raw.handshake()).status, 101);
          for (const [at, raw] of raws.entries()) {
            if (at === 0) raw.reset();
            else if (at === 1) raw.destroy();
            else raw.sendClose(1000);
          }
          await until(() => engine.stats().connections === 0 && engine.stats().connectionsEnding === 0, 'all to leave');
        }
        const { connectionsOpened, handshakesRefused } = engine.stats();
        assert.deepEqual([connectionsOpened, handshakesRefused], [20, 0]);
      });
    });
  });
}
