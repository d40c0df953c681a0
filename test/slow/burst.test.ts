import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Engine } from '#dist/main/index.js';
import { type Client, connect } from '../support/client.ts';
import { withEngine } from '../support/leaks.ts';
import type { RawSocket } from '../support/raw-socket.ts';
import { pause, until } from '../support/waiting.ts';
import type { BurstOrder } from './fixtures/bursting.handlers.ts';
import { isUnbroken, numbersOf, openSleeper } from './slow-fixture.ts';

const handlers = new URL('./fixtures/bursting.handlers.js', import.meta.url);
const pieceBytes = 2_090;

function order(client: Client, type: string, rest: Partial<BurstOrder>): void {
  client.send({ type: `order-${type}`, data: { name: '', count: 0, bytes: 0, ...rest } });
}

/** Those who read nothing, one for each number of bytes that the system takes for it besides, more or less. */
async function nearlyFull(engine: Engine, client: Client, lefts: readonly number[]): Promise<RawSocket[]> {
  const gauge = await openSleeper(engine, 'gauge');
  order(client, 'gauge', { name: 'gauge' });
  const room = await client.next((message) => message.type === 'room');
  gauge.destroy();
  await until(() => engine.stats().connections === 1, 'the end of the gauge');
  const sleepers: RawSocket[] = [];
  for (const left of lefts) {
    const name = `sleeper ${left}`;
    sleepers.push(await openSleeper(engine, encodeURIComponent(name)));
    order(client, 'fill', { name, count: Math.floor(Number(room.data) - left / pieceBytes) });
    await client.next((message) => message.type === 'filled');
  }
  return sleepers;
}

function burstOf(sleeper: RawSocket): number[] {
  return numbersOf(sleeper).filter((number) => number >= 0);
}

describe('what is published in one turn, to one who does not read', () => {
  it('a close in the same turn waits until it was read, with a small bound too', () =>
    withEngine({ shards: 1, handlers, maxBackpressureBytes: 262_144, slowConsumer: 'drop' }, async (engine) => {
      const client = await connect(engine);
      const [sleeper] = await nearlyFull(engine, client, [350_000]);
      assert.ok(sleeper !== undefined);
      order(client, 'burst-and-close', { name: 'sleeper 350000', count: 480, bytes: 2_000 });
      await client.sync();
      assert.equal(engine.stats().connections, 2);
      sleeper.socket.resume();
      assert.deepEqual(await sleeper.closeFrame(), { code: 4001, reason: 'bye' });
      const numbers = burstOf(sleeper);
      assert.ok(numbers.length > 100 && isUnbroken(numbers), `${numbers.length} messages came`);
    }));

  it('an engine that drains gives time to read what came from its own thread at last', () =>
    withEngine({ shards: 1, handlers, maxBackpressureBytes: 16_777_216 }, async (engine) => {
      const client = await connect(engine);
      const sleepers = await nearlyFull(engine, client, [800_000, 900_000, 1_000_000, 1_100_000]);
      // So that the shard finds everything in one turn.
      order(client, 'block', { bytes: 300 });
      await pause(100);
      const count = 62;
      for (let number = 0; number < count; number++) {
        assert.equal(engine.publish('flood', { data: [number, 'x'.repeat(15_000)] }), 'queued');
      }
      const drained = engine.drain({ graceMs: 10_000 });
      await pause(700);
      for (const sleeper of sleepers) {
        sleeper.socket.resume();
        assert.equal((await sleeper.closeFrame()).code, 1001);
        assert.deepEqual(
          burstOf(sleeper),
          Array.from({ length: count }, (_, number) => number),
        );
      }
      await drained;
    }));
});
