import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { register } from 'prom-client';
import { type CounterName, type EngineStats, startEngine } from '#dist/main/index.js';
import { counterMetric } from '#dist/main/stats/metric-catalog.js';
import { counterNames } from '#dist/shared/memory/counters.js';
import { connect } from '../support/client.ts';
import { withEngine } from '../support/leaks.ts';
import { until } from '../support/waiting.ts';
import { type Page, readPage, sumOf } from './page.ts';

/** Fails if a counter of the first page is smaller, or gone, on the second. */
function assertOnlyGrown(first: Page, second: Page): void {
  const key = (sample: Page['samples'][number]): string => JSON.stringify([sample.name, sample.labels]);
  const later = new Map(second.samples.map((sample) => [key(sample), sample.value]));
  for (const sample of first.samples) {
    if (first.types.get(sample.name) !== 'counter') continue;
    const value = later.get(key(sample));
    assert.ok(value !== undefined && value >= sample.value, `${key(sample)}: ${sample.value}, then ${value}`);
  }
}

describe('the page for Prometheus', () => {
  it('is well-formed, and its numbers are those of the statistics', () =>
    withEngine({ shards: 2 }, async (engine) => {
      const clients = await Promise.all(Array.from({ length: 6 }, () => connect(engine)));
      for (const client of clients) await client.subscribe('news');
      for (let i = 0; i < 10; i++) engine.publish('news', { data: i });
      for (const client of clients) await client.next((message) => message.data === 9);
      await clients[0]?.close(4005);
      await until(() => engine.stats().connections === 5, 'the end of one');
      const page = readPage(await engine.metrics());
      const stats = engine.stats();
      assert.equal(sumOf(page, 'shardwire_connections'), 5);
      assert.equal(sumOf(page, 'shardwire_messages_received_total'), stats.messagesIn);
      assert.equal(sumOf(page, 'shardwire_messages_sent_total'), stats.messagesOut);
      assert.equal(sumOf(page, 'shardwire_received_bytes_total'), stats.bytesIn);
      assert.equal(sumOf(page, 'shardwire_publishes_total', { shard: 'main' }), 10);
      assert.equal(sumOf(page, 'shardwire_closes_total', { code: '4xxx' }), 1);
      assert.equal(sumOf(page, 'shardwire_ready'), 1);
      assert.equal(sumOf(page, 'shardwire_up'), 3);
      assert.ok(sumOf(page, 'shardwire_resident_memory_bytes') > 1_000_000);
      for (const shard of ['main', '0', '1']) {
        assert.ok(sumOf(page, 'shardwire_heap_used_bytes', { shard }) > 100_000);
        assert.ok(sumOf(page, 'shardwire_uptime_seconds', { shard }) > 0);
      }
    }));

  it('has every counter, in the unit that its name says', () =>
    withEngine({ shards: 1 }, async (engine) => {
      const page = readPage(await engine.metrics());
      for (const name of counterNames) {
        const shape = counterMetric(name);
        if (shape === null) continue;
        assert.equal(page.types.get(`shardwire_${shape.name}`), shape.kind, name);
        assert.ok(shape.help.endsWith('.'), name);
        // A time has the unit of the format, and bytes are called so.
        if (name.endsWith('Ms')) assert.match(shape.name, /_seconds(_total)?$/);
        if (/bytes/i.test(name)) assert.match(shape.name, /_bytes(_total)?$/);
      }
      const unknown = counterMetric('somethingNewCounted' as CounterName);
      assert.equal(unknown?.name, 'something_new_counted_total');
    }));

  it('counters only grow, over scrapes and when a shard is lost', () =>
    withEngine({ handlers: new URL('../engine/fixtures/recording.handlers.js', import.meta.url) }, async (engine) => {
      const clients = await Promise.all(Array.from({ length: 6 }, () => connect(engine)));
      let before = readPage(await engine.metrics());
      for (const client of clients) {
        await client.sync();
        client.send({ type: 'throw' });
      }
      await until(() => engine.stats().handlerErrors === 6, 'the errors');
      let after = readPage(await engine.metrics());
      assertOnlyGrown(before, after);
      assert.equal(sumOf(after, 'shardwire_handler_errors_total', { handler: 'message' }), 6);
      assert.ok(sumOf(after, 'shardwire_messages_received_total') > sumOf(before, 'shardwire_messages_received_total'));
      before = after;
      clients[0]?.send({ type: 'crash' });
      await clients[0]?.closed;
      const isLost = (stats: EngineStats): boolean => stats.shards.some((shard) => shard.state === 'ended');
      await until(() => isLost(engine.stats()), 'the end of a shard');
      after = readPage(await engine.metrics());
      assertOnlyGrown(before, after);
      assert.equal(sumOf(after, 'shardwire_up'), 2);
      assert.ok(sumOf(after, 'shardwire_closes_total', { code: '1012' }) > 0);
    }));

  it('many scrapes at once get whole pages', () =>
    withEngine({ shards: 2 }, async (engine) => {
      const client = await connect(engine);
      await client.sync();
      const pages = await Promise.all(Array.from({ length: 20 }, () => engine.metrics()));
      for (const text of pages) {
        const page = readPage(text);
        assert.equal(sumOf(page, 'shardwire_connections_opened_total'), 1);
      }
    }));

  it('is of one engine, leaves the registry of the program alone, and outlives the engine', async () => {
    const options = { shards: 1, host: '127.0.0.1', port: 0 };
    const [one, other] = await Promise.all([startEngine(options), startEngine(options)]);
    const client = await connect(one);
    await client.sync();
    assert.equal(sumOf(readPage(await one.metrics()), 'shardwire_connections'), 1);
    assert.equal(sumOf(readPage(await other.metrics()), 'shardwire_connections'), 0);
    assert.equal(one.metricsContentType, register.contentType);
    assert.deepEqual(register.getMetricsAsArray(), []);
    await Promise.all([one.close(), other.close()]);
    const last = readPage(await one.metrics());
    assert.equal(sumOf(last, 'shardwire_ready') + sumOf(last, 'shardwire_up'), 0);
    assert.equal(sumOf(last, 'shardwire_connections_opened_total'), 1);
  });
});
