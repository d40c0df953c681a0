import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { connect } from '../support/client.ts';
import { socketDescriptors, withEngine } from '../support/leaks.ts';
import { openRaw } from '../support/raw-socket.ts';
import { until } from '../support/waiting.ts';
import { deciding } from './upgrade-client.ts';

function run(path: string): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [path], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, stdout, stderr })));
}

describe('upgrades that are decided later', () => {
  test('3,000 of them lose no connection, and write nothing to stderr', async () => {
    const { code, stdout, stderr } = await run(fileURLToPath(new URL('./fixtures/many-upgrades.js', import.meta.url)));
    assert.deepEqual([code, stderr], [0, '']);
    assert.deepEqual(JSON.parse(stdout), {
      used: 3_000,
      connectionsOpened: 3_000,
      handlerErrors: 0,
      handshakesAbandoned: 0,
    });
  });

  test('what they need besides is made once per shard, and is no connection, request or port of the engine', async () => {
    await withEngine({ shards: 1, handlers: deciding }, async (engine) => {
      await (await connect(engine, { query: 'late=1' })).close();
      await until(() => engine.stats().connections === 0, 'the first one to be gone');
      const before = socketDescriptors();
      for (let round = 0; round < 20; round++) await (await connect(engine, { query: 'late=1' })).close();
      await until(() => socketDescriptors() <= before, 'the sockets of ended connections to be closed');
      const { connectionsOpened, httpRequests, handshakesRefused, handshakesAbandoned } = engine.stats();
      assert.deepEqual([connectionsOpened, httpRequests, handshakesRefused, handshakesAbandoned], [21, 0, 0, 0]);
    });
  });

  for (const acceptor of ['handover', 'shard'] as const) {
    test(`none is made of a socket that the library is about to close (acceptor ${acceptor})`, async () => {
      await withEngine({ shards: 1, handlers: deciding, acceptor }, async (engine) => {
        for (const first of ['close', 'hello', 'CLOSE', '12345']) {
          for (const target of ['/ws', '/ws?late=0', '/ws?late=5']) {
            const raw = await openRaw(engine.port);
            const reply = await raw.handshake({ target, headers: { Connection: [first, 'Upgrade'] } });
            assert.equal(reply.status, 400);
            assert.match(reply.body, /^ERR_HANDSHAKE_CONNECTION: /);
            await raw.ended();
          }
        }
        for (const list of [['keep-alive', 'Upgrade'], ['close, Upgrade'], ['Upgrade', 'close']]) {
          const raw = await openRaw(engine.port);
          const reply = await raw.handshake({ target: '/ws?late=1', headers: { Connection: list } });
          assert.equal(reply.status, 101, list.join('; '));
          raw.destroy();
        }
        const { handshakesRefused, handshakesAbandoned, connectionsOpened } = engine.stats();
        assert.deepEqual([handshakesRefused, handshakesAbandoned, connectionsOpened], [12, 0, 3]);
      });
    });
  }

  test('an engine that is closed while the first of them is decided leaves nothing behind', async () => {
    for (const late of [0, 1, 5, 20, 21]) {
      const acceptor = late % 2 === 0 ? 'handover' : 'shard';
      await withEngine({ shards: 2, handlers: deciding, closeGraceMs: 50, acceptor }, async (engine) => {
        const connecting = Array.from({ length: 20 }, () =>
          connect(engine, { query: `late=${late}` }).then(
            () => undefined,
            () => undefined,
          ),
        );
        await new Promise((resolve) => setTimeout(resolve, late));
        await engine.close();
        await Promise.all(connecting);
      });
    }
  });
});
