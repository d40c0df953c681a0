import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import { describe, it } from 'node:test';
import { startEngine } from '#dist/main/index.js';
import { connect } from '../support/client.ts';
import { assertNothingLeft, openResources, socketDescriptors, withEngine } from '../support/leaks.ts';
import { openRaw } from '../support/raw-socket.ts';
import { until } from '../support/waiting.ts';
import { clientsApart } from './shard-pairs.ts';

const handlers = new URL('./fixtures/recording.handlers.js', import.meta.url);

describe('faults that must not spread', () => {
  it('something unreadable that is thrown in a shard fails that shard in good order, and aborts nothing', () =>
    withEngine({ handlers }, async (engine) => {
      const [one, two] = await clientsApart(engine);
      const lost = new Promise<number>((resolve) => engine.on('shard-lost', resolve));
      one.send({ type: 'throw-oddity' });
      assert.equal((await one.closed).code, 1012);
      assert.equal(await lost, 0);
      assert.equal(await two.sync(), two.id);
    }));

  it('a handler module that never finishes loading fails the start in time, and leaves nothing behind', async () => {
    const before = openResources();
    const start = startEngine({
      shards: 2,
      host: '127.0.0.1',
      port: 0,
      startTimeoutMs: 1_000,
      handlers: new URL('./fixtures/hanging.handlers.js', import.meta.url),
    });
    await assert.rejects(start, { code: 'ERR_SHARD_START_FAILED', message: /shard 0 was not ready within 1000 ms/ });
    await assertNothingLeft(before);
  });

  it('child processes of the program do not inherit the clients’ sockets', () =>
    withEngine({}, async (engine) => {
      for (let i = 0; i < 5; i++) await (await connect(engine)).sync();
      const child = spawn('sleep', ['30'], { stdio: 'ignore' });
      try {
        const { pid = 0 } = child;
        await until(() => !readlinkSync(`/proc/${pid}/exe`).includes('node'), 'the program to run');
        assert.ok(socketDescriptors() >= 10, 'this process has the sockets of both ends');
        assert.equal(socketDescriptors(pid), 0);
      } finally {
        child.kill();
        await new Promise((resolve) => child.once('exit', resolve));
      }
    }));

  it('clients that reset at once are counted as abandoned, and do not fill the log', async () => {
    const lines: unknown[] = [];
    const write = (...line: unknown[]): void => {
      lines.push(line);
    };
    const logger = { debug: write, info: write, warn: write, error: write } as never;
    await withEngine({ logger }, async (engine) => {
      for (let i = 0; i < 200; i++) (await openRaw(engine.port)).reset();
      await until(() => {
        const { handshakesAbandoned, acceptErrors } = engine.stats();
        return handshakesAbandoned + acceptErrors === 200;
      }, 'all to be counted');
      assert.ok(lines.length < 10, `${lines.length} lines`);
      await (await connect(engine)).sync();
    });
  });

  it('the fallback acceptor stops before any shard does: closing under a storm of connections is safe', async () => {
    for (let round = 0; round < 5; round++) {
      await withEngine({ shards: 4, acceptor: 'shard', closeGraceMs: 100 }, async (engine) => {
        let storming = true;
        const storm = Array.from({ length: 8 }, async () => {
          while (storming) {
            const socket = await openRaw(engine.port).catch(() => null);
            if (socket === null) return;
            socket.destroy();
          }
        });
        await new Promise((resolve) => setTimeout(resolve, 100));
        await engine.close();
        storming = false;
        await Promise.all(storm);
      });
    }
  });
});
