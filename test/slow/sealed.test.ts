import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import type { Engine } from '#dist/main/index.js';
import { withEngine } from '../support/leaks.ts';
import { opcode } from '../support/raw-frames.ts';
import { openWebSocket, type RawSocket } from '../support/raw-socket.ts';
import { pause, until } from '../support/waiting.ts';

/** Large enough for the pool. */
const large = 'x'.repeat(150_000);

/** Connects a client that reads nothing, and sends it large sealed messages until `done`. */
async function overfill(engine: Engine, done: () => boolean): Promise<RawSocket> {
  let id = '';
  engine.on('connect', (connection) => {
    id = connection.id;
  });
  // Longer than it takes the shard to hear of the listener.
  await pause(50);
  const raw = await openWebSocket(engine.port);
  await until(() => id !== '', 'the id of the connection');
  raw.socket.pause();
  for (let sent = 1; sent < 2_000 && !done(); sent++) {
    engine.send(id, { data: large });
    // One at a time, so that it is the client that is too slow, and not the pool.
    await until(() => {
      const { messagesOut, messagesDropped } = engine.stats();
      return messagesOut + messagesDropped >= sent || done();
    }, 'a message to be sealed');
  }
  return raw;
}

const options = {
  shards: 1,
  security: { aesKey: randomBytes(32) },
  offload: { threads: 1 },
  maxBackpressureBytes: 524_288,
} as const;

describe('a client that does not read what the pool seals for it', () => {
  it('is cut after the wait, told once and with 3008', () =>
    withEngine({ ...options, writeWaitMs: 300 }, async (engine) => {
      const ends: unknown[] = [];
      engine.on('disconnect', (_connection, code, reason) => ends.push([code, reason]));
      const raw = await overfill(engine, () => engine.stats().slowConsumersClosed === 1);
      await until(() => ends.length > 0, 'the end to be told');
      await until(() => engine.stats().connections === 0, 'the end');
      assert.ok(engine.stats().sealsOffloaded > 0);
      await pause(50);
      assert.deepEqual(ends, [[3008, 'too slow']]);
      raw.socket.resume();
      await raw.ended();
      assert.equal(
        raw.frames.some((frame) => frame.opcode === opcode.close),
        false,
      );
    }));

  it('gets what was queued and 3008, if it reads again in time', () =>
    withEngine({ ...options, writeWaitMs: 600_000 }, async (engine) => {
      const raw = await overfill(engine, () => engine.stats().slowConsumersClosed === 1);
      assert.equal(engine.stats().connections, 1);
      raw.socket.resume();
      assert.deepEqual(await raw.closeFrame(), { code: 3008, reason: 'too slow' });
      const sealed = raw.frames.filter((frame) => frame.opcode === opcode.binary);
      assert.equal(sealed.length, engine.stats().messagesOut);
      for (const frame of sealed) assert.ok(frame.payload.length > large.length);
    }));

  it('loses messages and is told as slow once, if the policy is drop', () =>
    withEngine({ ...options, slowConsumer: 'drop' }, async (engine) => {
      const raw = await overfill(engine, () => engine.stats().messagesDropped > 20);
      assert.deepEqual([engine.stats().slowEpisodes, engine.stats().connections], [1, 1]);
      raw.socket.resume();
      await until(() => raw.frames.length === engine.stats().messagesOut, 'all that was not dropped');
      assert.equal(engine.stats().slowEpisodes, 1);
    }));
});
