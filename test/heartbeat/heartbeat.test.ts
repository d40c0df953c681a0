import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { connect } from '../support/client.ts';
import { withEngine } from '../support/leaks.ts';
import { opcode, type RawFrame } from '../support/raw-frames.ts';
import { openWebSocket, type RawSocket } from '../support/raw-socket.ts';
import { pause, until } from '../support/waiting.ts';

const recording = new URL('../engine/fixtures/recording.handlers.js', import.meta.url);
const blocking = new URL('../engine/fixtures/blocking.handlers.js', import.meta.url);
const quick = { shards: 1, heartbeat: { pingPeriodMs: 150, pongWaitMs: 1_500 } };
/** Longer than the pong wait. */
const aWhileMs = 3_000;

function pings(raw: RawSocket): RawFrame[] {
  return raw.frames.filter((frame) => frame.opcode === opcode.ping);
}

/** Runs `act` every few milliseconds for longer than a silent connection lives. */
async function whileWatched(act: () => void): Promise<void> {
  const acting = setInterval(act, 100);
  try {
    await pause(aWhileMs);
  } finally {
    clearInterval(acting);
  }
}

describe('the heartbeat', () => {
  it('sends empty pings to the silent, and none to those who talk', () =>
    withEngine({ ...quick, heartbeat: { pingPeriodMs: 1_000, pongWaitMs: 10_000 } }, async (engine) => {
      const silent = await openWebSocket(engine.port);
      const talking = await openWebSocket(engine.port);
      const acting = setInterval(() => talking.sendJson({ type: 'hello' }), 50);
      try {
        const frame = await silent.nextFrame();
        assert.deepEqual([frame.opcode, frame.payload.length], [opcode.ping, 0]);
        await until(() => pings(silent).length >= 2, 'another ping to who does not answer');
      } finally {
        clearInterval(acting);
      }
      assert.equal(pings(talking).length, 0);
      assert.equal(engine.stats().heartbeatsMissed, 0);
    }));

  it('closes who answers nothing with 3012, told once, and forgets all about it', () =>
    withEngine({ ...quick, handlers: recording, duplicateName: 'reject' }, async (engine) => {
      const observer = await connect(engine);
      await observer.subscribe('log');
      const silent = await openWebSocket(engine.port, { target: '/ws?client_id=silent' });
      silent.sendJson({ type: 'subscribe', data: { channel: 'news' } });
      silent.sendJson({ type: 'join_room', data: { room_id: 'lobby' } });
      await until(() => engine.stats().rooms === 1 && engine.stats().channels === 2, 'the channel and the room');
      assert.deepEqual(await silent.closeFrame(), { code: 3012, reason: 'no pong' });
      await silent.ended();
      assert.ok(pings(silent).length > 0);
      const { data } = await observer.next((message) => (message.data as string[])[0] === 'disconnect');
      assert.deepEqual(data, ['disconnect', 'silent', '3012', 'no pong', 'ended']);
      const { connections, connectionsClosed, heartbeatsMissed, channels, rooms } = engine.stats();
      assert.deepEqual([connections, connectionsClosed, heartbeatsMissed, channels, rooms], [1, 1, 1, 1, 0]);
      // Its name is free again.
      const next = await openWebSocket(engine.port, { target: '/ws?client_id=silent' });
      assert.equal((await next.nextJson()).type, 'welcome');
      await observer.sync();
      assert.equal(observer.all.filter((message) => (message.data as string[])[0] === 'disconnect').length, 1);
    }));

  for (const [what, act] of [
    ['messages, also those that are refused', (raw: RawSocket) => raw.sendJson({ type: 'nobody handles this' })],
    ['pings', (raw: RawSocket) => raw.sendPing('')],
    ['pongs that nobody asked for', (raw: RawSocket) => raw.sendFrame({ opcode: opcode.pong, payload: 'x' })],
  ] as const) {
    it(`takes any frame for life: ${what}`, () =>
      withEngine({ ...quick, replies: 'off' }, async (engine) => {
        // It answers no ping.
        const raw = await openWebSocket(engine.port);
        const silent = await openWebSocket(engine.port);
        await whileWatched(() => act(raw));
        assert.equal(raw.isEnded, false);
        await silent.closeFrame();
        await until(() => engine.stats().connections === 1, 'the end of the silent one');
        assert.deepEqual([engine.stats().heartbeatsMissed, raw.isEnded], [1, false]);
      }));
  }

  it('keeps clients that answer pings and say nothing', () =>
    withEngine(quick, async (engine) => {
      const clients = await Promise.all(Array.from({ length: 20 }, () => connect(engine)));
      let answered = 0;
      for (const { socket } of clients) socket.on('ping', () => answered++);
      await pause(aWhileMs);
      assert.ok(answered > clients.length);
      const { connections, heartbeatsMissed } = engine.stats();
      assert.deepEqual([connections, heartbeatsMissed], [clients.length, 0]);
    }));

  it('cuts a silent client that cannot take its Close frame, told once and with 3012', () =>
    withEngine(
      { ...quick, handlers: recording, slowConsumer: 'drop', maxBackpressureBytes: 65_536, writeWaitMs: 300 },
      async (engine) => {
        const observer = await connect(engine);
        await observer.subscribe('log');
        const stuck = await openWebSocket(engine.port, { target: '/ws?client_id=stuck' });
        stuck.sendJson({ type: 'subscribe', data: { channel: 'flood' } });
        await until(() => engine.stats().channels === 2, 'the subscription');
        stuck.socket.pause();
        const data = 'x'.repeat(20_000);
        while (engine.stats().messagesDropped === 0) {
          engine.publish('flood', { data });
          await pause(1);
        }
        await observer.next((message) => (message.data as string[])[0] === 'disconnect');
        stuck.socket.resume();
        await stuck.ended();
        assert.equal(
          stuck.frames.some((frame) => frame.opcode === opcode.close),
          false,
        );
        await observer.sync();
        assert.deepEqual(
          observer.all.map((message) => message.data).filter((entry) => (entry as string[])[0] === 'disconnect'),
          [['disconnect', 'stuck', '3012', 'no pong', 'ended']],
        );
        await until(() => engine.stats().channels === 1, 'only log to be left');
        const { connections, heartbeatsMissed, slowConsumersClosed } = engine.stats();
        assert.deepEqual([connections, heartbeatsMissed, slowConsumersClosed], [1, 1, 0]);
      },
    ));

  it('takes it for life when a client reads what waits for it', () =>
    withEngine(
      {
        shards: 1,
        heartbeat: { pingPeriodMs: 150, pongWaitMs: 3_000 },
        slowConsumer: 'drop',
        maxBackpressureBytes: 262_144,
      },
      async (engine) => {
        // It answers nothing, and there is always more for it than the system's buffers hold.
        const raw = await openWebSocket(engine.port);
        raw.sendJson({ type: 'subscribe', data: { channel: 'flood' } });
        await until(() => engine.stats().channels === 1, 'the subscription');
        const silent = await openWebSocket(engine.port);
        const data = 'x'.repeat(50_000);
        const end = performance.now() + 6_000;
        while (performance.now() < end) {
          raw.socket.pause();
          const { messagesDropped } = engine.stats();
          while (engine.stats().messagesDropped === messagesDropped) {
            for (let i = 0; i < 20; i++) engine.publish('flood', { data });
            await pause(1);
          }
          const { bytesRead } = raw.socket;
          raw.socket.resume();
          await until(() => raw.socket.bytesRead > bytesRead + 1_000_000, 'the client to read');
          raw.frames.length = 0;
        }
        await silent.closeFrame();
        await until(() => engine.stats().connections === 1, 'the end of the silent one');
        assert.deepEqual([engine.stats().heartbeatsMissed, raw.isEnded], [1, false]);
      },
    ));

  it('does not blame clients for the time in which the shard itself was blocked', () =>
    withEngine({ ...quick, handlers: blocking }, async (engine) => {
      const clients = await Promise.all(Array.from({ length: 10 }, () => connect(engine)));
      const silent = await openWebSocket(engine.port);
      clients[0]?.send({ type: 'block', data: aWhileMs });
      await pause(aWhileMs);
      await Promise.all(clients.map((client) => client.sync()));
      // Everybody still had the rest of the wait to answer in.
      await silent.closeFrame();
      await until(() => engine.stats().connections === clients.length, 'the end of the silent one');
      assert.equal(engine.stats().heartbeatsMissed, 1);
      for (const client of clients) await client.sync();
    }));

  it('can be switched off: no pings, and silence is allowed', () =>
    withEngine({ shards: 1, heartbeat: false }, async (engine) => {
      const raw = await openWebSocket(engine.port);
      await pause(aWhileMs);
      assert.deepEqual(raw.frames, []);
      assert.equal(engine.stats().connections, 1);
      assert.equal(engine.stats().heartbeatsMissed, 0);
    }));
});
