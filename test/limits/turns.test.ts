import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EngineOptions } from '#dist/main/index.js';
import { connect } from '../support/client.ts';
import { withEngine } from '../support/leaks.ts';
import { closePayload, frameBytes, opcode } from '../support/raw-frames.ts';
import { openWebSocket } from '../support/raw-socket.ts';
import { until } from '../support/waiting.ts';

const hello = frameBytes({ opcode: opcode.text, payload: '{"type":"hello"}' });
const ping = frameBytes({ opcode: opcode.ping, payload: '' });

function times(count: number, frame: Uint8Array): Buffer {
  return Buffer.concat(new Array<Uint8Array>(count).fill(frame));
}

for (const acceptor of ['auto', 'shard'] as const) {
  const one: EngineOptions = { shards: 1, replies: 'off', acceptor };

  describe(`a turn of the shard's loop (acceptor ${acceptor})`, () => {
    it('a burst of 20,000 messages is handled in many turns, in order, and closes nobody', () =>
      withEngine(one, async (engine) => {
        const raw = await openWebSocket(engine.port);
        raw.sendJson({ type: 'subscribe', data: { channel: 'own' } });
        const count = 20_000;
        const frames = Array.from({ length: count }, (_, number) =>
          frameBytes({ opcode: opcode.text, payload: `{"type":"publish","channel":"own","data":${number}}` }),
        );
        raw.write(Buffer.concat(frames));
        for (let number = 0; number < count; number++) assert.equal((await raw.nextJson()).data, number);
        const { turnsHeld, turnsOverrun, closes } = engine.stats();
        assert.ok(turnsHeld > 0, 'it was never held');
        assert.deepEqual([turnsOverrun, closes], [0, {}]);
      }));

    it('others have their turns while one floods: what they say is answered before most of the flood is handled', () =>
      withEngine(one, async (engine) => {
        const bystander = await connect(engine);
        const raw = await openWebSocket(engine.port);
        const count = 200_000;
        raw.write(times(count, hello));
        await until(() => engine.stats().messagesUnknownType > 0, 'the beginning of the flood');
        const before = engine.stats().messagesUnknownType;
        await bystander.sync();
        const handled = engine.stats().messagesUnknownType - before;
        assert.ok(handled < count / 2, `${handled} messages of the flood went before`);
        await until(() => engine.stats().messagesUnknownType === count, 'all of the flood');
        assert.equal(engine.stats().turnsOverrun, 0);
      }));

    it('pings have turns, too, and each is answered', () =>
      withEngine(one, async (engine) => {
        const raw = await openWebSocket(engine.port);
        const count = 20_000;
        raw.write(times(count, ping));
        for (let pongs = 0; pongs < count; pongs++) assert.equal((await raw.nextFrame()).opcode, opcode.pong);
        assert.ok(engine.stats().turnsHeld > 0, 'it was never held');
      }));

    it('what a client sent before it left is handled, however much it was', () =>
      withEngine(one, async (engine) => {
        const raw = await openWebSocket(engine.port);
        const close = frameBytes({ opcode: opcode.close, payload: closePayload(1000, '') });
        raw.write(Buffer.concat([times(10_000, hello), close]));
        await until(() => engine.stats().connections === 0, 'its end');
        assert.equal(engine.stats().messagesUnknownType, 10_000);
        assert.deepEqual(engine.stats().closes, { 1000: 1 });
      }));

    it('pings count as messages of limits.messagesPerSecond', () =>
      withEngine({ ...one, limits: { messagesPerSecond: 20 } }, async (engine) => {
        const raw = await openWebSocket(engine.port);
        raw.write(times(400, ping));
        assert.deepEqual(await raw.closeFrame(), { code: 3504, reason: 'too many messages' });
      }));
  });
}
