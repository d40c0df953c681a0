import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { WebSocket } from 'ws';
import { withEngine } from '../support/leaks.ts';
import { until } from '../support/waiting.ts';

const loops = 8;
const subscriptions = 21;
const durationMs = 30_000;

describe('churn', () => {
  it('connect, 21 subscriptions and close, in 8 loops while publishing, leaves nothing behind', () =>
    withEngine({ shards: 2 }, async (engine) => {
      const ends = new Map<number, number>();
      let lives = 0;
      let heard = 0;
      const deadline = performance.now() + durationMs;
      const live = async (loop: number): Promise<void> => {
        while (performance.now() < deadline) {
          const socket = new WebSocket(`ws://127.0.0.1:${engine.port}/ws`, { perMessageDeflate: false });
          socket.on('message', () => {
            heard += 1;
          });
          await new Promise((resolve, reject) => {
            socket.once('open', resolve);
            socket.once('error', reject);
          });
          for (let i = 0; i < subscriptions; i++) {
            socket.send(JSON.stringify({ type: 'subscribe', data: { channel: `c${(lives + i) % 40}` } }));
          }
          // Some leave in good order, some in the middle of it, some without a word.
          const closed = new Promise<number>((resolve) => socket.once('close', resolve));
          if (lives % 3 === 0) await new Promise((resolve) => socket.once('message', resolve));
          if (lives % 5 === 0) socket.terminate();
          else socket.close(1000);
          const code = await closed;
          ends.set(code, (ends.get(code) ?? 0) + 1);
          lives += 1;
        }
        assert.ok(lives > 0, `loop ${loop}`);
      };
      const publisher = setInterval(() => {
        for (let i = 0; i < 40; i++) engine.publish(`c${i}`, { data: { i, text: 'x'.repeat(100) } });
      }, 2);
      await Promise.all(Array.from({ length: loops }, (_, loop) => live(loop)));
      clearInterval(publisher);
      await until(() => engine.stats().connections === 0, 'the last connection to be forgotten');
      const stats = engine.stats();
      assert.equal(stats.channels, 0);
      assert.equal(stats.rooms, 0);
      assert.equal(stats.connectionsOpened, stats.connectionsClosed);
      assert.equal(stats.handlerErrors, 0);
      assert.equal(stats.overloaded, 0);
      assert.ok(lives > 100 && heard > lives);
      // 1006: what `terminate` makes of it on this side.
      for (const code of ends.keys()) assert.ok(code === 1000 || code === 1005 || code === 1006, `closed with ${code}`);
    }));
});
