import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { clientPerShard } from '../engine/shard-pairs.ts';
import { connect } from '../support/client.ts';
import { withEngine } from '../support/leaks.ts';
import { inTime, pause, until, within } from '../support/waiting.ts';
import { clientOn, coming, handlers } from './lost-shards.ts';

/** Lends a file name and the URL of handlers that do not load while the file exists. */
async function withPoison(use: (poison: string, url: URL) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'shardwire-'));
  try {
    const poison = join(folder, 'poison');
    const url = new URL(handlers);
    url.searchParams.set('poison', poison);
    await use(poison, url);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe('a replacement that cannot start', () => {
  it('counts as a failure, and is tried again after a pause', () =>
    withPoison((poison, url) =>
      withEngine({ handlers: url, restart: { backoffMs: 20 } }, async (engine) => {
        const lost: number[] = [];
        engine.on('shard-lost', (shard) => lost.push(shard));
        const restarted = coming(engine, 'shard-restarted');
        writeFileSync(poison, '');
        (await clientOn(engine, 0)).send({ type: 'crash' });
        await until(() => lost.length === 1, 'the loss');
        await pause(300);
        rmSync(poison);
        await restarted;
        await clientOn(engine, 0);
        assert.deepEqual(lost, [0], 'it was lost once');
      }),
    ));

  it('time and again stays lost, with the reason', () =>
    withPoison((poison, url) =>
      withEngine({ handlers: url, restart: { maxRestarts: 2, backoffMs: 1 } }, async (engine) => {
        const error = coming(engine, 'error');
        writeFileSync(poison, '');
        (await clientOn(engine, 1)).send({ type: 'crash' });
        const [{ code, message }] = await error;
        assert.equal(code, 'ERR_SHARD_FAILED');
        assert.match(message, /shard 1 .* stays lost: .*poisoned on purpose/);
        await (await connect(engine)).sync();
        await assert.rejects(engine.restartShard(1), { code: 'ERR_HANDLERS_INVALID' });
        rmSync(poison);
        await until(
          () =>
            engine.restartShard(1).then(
              () => true,
              () => false,
            ),
          'the restart by hand',
        );
        await clientOn(engine, 1);
      }),
    ));
});

describe('an engine that is closed while a shard is away', () => {
  it('waits for nothing: during the pause before it is started', () =>
    withEngine({ handlers, restart: { backoffMs: 600_000, maxBackoffMs: 600_000 } }, async (engine) => {
      const lost = coming(engine, 'shard-lost');
      (await clientOn(engine, 1)).send({ type: 'crash' });
      await lost;
      await within(engine.drain({ graceMs: 100 }), 'the drain');
      assert.equal(engine.stats().state, 'closed');
    }));

  it('in the middle of its start, at any moment', async () => {
    for (const delayMs of inTime([0, 64, 8, 16, 24, 32, 40, 48, 56, 72, 80, 88, 96, 104, 112])) {
      await withEngine({ handlers, restart: { backoffMs: 0 } }, async (engine) => {
        const lost = coming(engine, 'shard-lost');
        (await clientOn(engine, 1)).send({ type: 'crash' });
        await lost;
        await pause(delayMs);
        await within(engine.drain({ graceMs: 100 }), 'the drain');
      });
    }
  });

  it('in the middle of a restart, at any moment, with either acceptor', async () => {
    for (const delayMs of inTime([0, 100, 20, 40, 60, 80, 120, 140, 160, 180])) {
      await withEngine({ handlers, acceptor: delayMs % 40 === 0 ? 'shard' : 'handover' }, async (engine) => {
        await clientPerShard(engine);
        const restart = engine.restartShard(0, { graceMs: 40 }).then(
          () => 'restarted',
          (error) => error.code,
        );
        await pause(delayMs);
        await within(engine.close(), 'the end');
        assert.match(await restart, /^(restarted|ERR_SHUTTING_DOWN)$/);
      });
    }
  });
});

describe('listeners that throw', () => {
  it('when a shard is lost, replaced or given up, stop nothing', () =>
    withEngine({ handlers, restart: { maxRestarts: 1, backoffMs: 1 } }, async (engine) => {
      let calls = 0;
      for (const name of ['shard-lost', 'shard-restarted', 'error'] as const) {
        engine.on(name, () => {
          calls += 1;
          throw new Error(`a listener of ${name}`);
        });
        engine.on(name, async () => {
          calls += 1;
          await Promise.reject(new Error(`an asynchronous listener of ${name}`));
        });
      }
      (await clientOn(engine, 1)).send({ type: 'crash' });
      await until(() => calls === 4, 'the first loss to be told');
      (await clientOn(engine, 1)).send({ type: 'crash' });
      await until(() => calls === 8, 'the second loss to be told');
      assert.equal(engine.stats().handlerErrors, 8);
      await (await connect(engine)).sync();
    }));
});
