import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { connect } from '../support/client.ts';
import { withEngine } from '../support/leaks.ts';
import { pause, within } from '../support/waiting.ts';
import { clientOn, coming, handlers } from './lost-shards.ts';

describe('the watchdog', () => {
  it('tells of a shard whose loop is blocked, with the stack, and once it turns again', () =>
    withEngine({ handlers, watchdog: { stalledMs: 1_000 } }, async (engine) => {
      const events: string[] = [];
      engine.on('stalled', (shard) => events.push(`stalled ${shard}`));
      engine.on('recovered', (shard) => events.push(`recovered ${shard}`));
      const stalled = coming(engine, 'stalled');
      const recovered = coming(engine, 'recovered');
      const client = await clientOn(engine, 1);
      client.send({ type: 'block', data: 4_000 });
      const [shard, { blockedMs, stack }] = await stalled;
      assert.equal(shard, 1);
      assert.ok(blockedMs >= 1_000, `${blockedMs}`);
      assert.match(stack ?? '', /at spinUntil \(file:.*faulty\.handlers\.js:\d+:\d+\)\n.*at message/);
      const [again, { blockedMs: inAll }] = await recovered;
      assert.equal(again, 1);
      assert.ok(inAll > blockedMs);
      await client.sync();
      assert.deepEqual(events, ['stalled 1', 'recovered 1']);
    }));

  it('has no stack of a native call, which it does not disturb', () =>
    withEngine({ handlers, watchdog: { stalledMs: 500 } }, async (engine) => {
      const stalled = coming(engine, 'stalled');
      const recovered = coming(engine, 'recovered');
      const client = await clientOn(engine, 0);
      client.send({ type: 'wait-natively', data: 3_500 });
      const [, { stack }] = await stalled;
      assert.equal(stack, undefined);
      await recovered;
      await client.sync();
      // What was asked of its debugger in vain does not stop it later.
      await pause(300);
      await client.sync();
    }));

  it('refuses to restart a shard that is blocked, which serves on afterwards', () =>
    withEngine({ handlers, watchdog: { stalledMs: 1_000 } }, async (engine) => {
      const stalled = coming(engine, 'stalled');
      const recovered = coming(engine, 'recovered');
      const client = await clientOn(engine, 0);
      client.send({ type: 'block', data: 4_000 });
      // It is at it by then.
      await pause(100);
      // Before the watchdog has noticed: it does not answer in time.
      await assert.rejects(engine.restartShard(0), { code: 'ERR_SHARD_STALLED', message: /has not answered/ });
      await stalled;
      await assert.rejects(engine.restartShard(0), { code: 'ERR_SHARD_STALLED' });
      await recovered;
      await client.sync();
      await clientOn(engine, 0);
      await within(engine.restartShard(0, { graceMs: 0 }), 'the restart');
    }));

  it('does not take a main thread that is blocked for shards that are', () =>
    withEngine({ handlers, watchdog: { stalledMs: 1_000 } }, async (engine) => {
      let count = 0;
      engine.on('stalled', () => {
        count += 1;
      });
      const end = Date.now() + 3_000;
      while (Date.now() < end);
      await pause(300);
      await (await connect(engine)).sync();
      assert.equal(count, 0);
    }));

  it('is silent when it is switched off', () =>
    withEngine({ handlers, watchdog: false }, async (engine) => {
      let count = 0;
      engine.on('stalled', () => {
        count += 1;
      });
      const client = await clientOn(engine, 0);
      client.send({ type: 'block', data: 300 });
      await client.sync();
      assert.equal(count, 0);
    }));
});
