import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Engine } from '#dist/main/index.js';
import { clientPerShard, clientsApart } from '../engine/shard-pairs.ts';
import { type Client, connect } from '../support/client.ts';
import { withEngine } from '../support/leaks.ts';
import { type HttpReply, handshakeText, openRaw, openWebSocket } from '../support/raw-socket.ts';
import { until } from '../support/waiting.ts';

const deciding = new URL('../upgrade/fixtures/deciding.handlers.js', import.meta.url);
const recording = new URL('../engine/fixtures/recording.handlers.js', import.meta.url);

async function refusal(engine: Engine, headers: Readonly<Record<string, string>> = {}): Promise<HttpReply> {
  const raw = await openRaw(engine.port);
  const reply = await raw.handshake({ headers });
  if (reply.status !== 101) await raw.ended();
  raw.destroy();
  return reply;
}

/** Connects once there is room. */
function room(engine: Engine): Promise<Client> {
  return until(
    () =>
      connect(engine).then(
        (client) => client,
        () => undefined,
      ),
    'room for a connection',
  );
}

describe('limits.connections', () => {
  test('bounds the connections of all shards together: 503, counted, until one leaves', async () => {
    await withEngine({ shards: 3, limits: { connections: 6 } }, async (engine) => {
      const clients = await clientPerShard(engine);
      while (engine.stats().connections > 3) await until(() => engine.stats().connections === 3, 'the others to leave');
      const more = await Promise.all([connect(engine), connect(engine), connect(engine)]);
      for (let i = 1; i <= 10; i++) {
        const reply = await refusal(engine);
        assert.equal(reply.status, 503);
        assert.match(reply.body, /^ERR_LIMIT_CONNECTIONS: /);
        assert.equal(reply.headers.get('retry-after'), '5');
        assert.equal(engine.stats().limitConnections, i);
      }
      for (const client of [...clients, ...more]) await client.sync();
      await more[0]?.close();
      await room(engine);
      assert.equal((await refusal(engine)).status, 503);
      more[1]?.terminate();
      await room(engine);
      assert.equal(engine.stats().connections, 6);
    });
  });

  test('of many that come at once no more are let in, and hardly fewer', async () => {
    await withEngine({ shards: 3, limits: { connections: 20 } }, async (engine) => {
      for (let round = 0; round < 3; round++) {
        const raws = await Promise.all(Array.from({ length: 60 }, () => openRaw(engine.port)));
        const replies = await Promise.all(raws.map((raw) => raw.handshake()));
        const admitted = replies.filter((reply) => reply.status === 101).length;
        assert.ok(admitted <= 20, `${admitted} were let in`);
        // Two that look for the last place at the same moment may both be refused, but not all of them.
        assert.ok(admitted >= 15, `${admitted} were let in`);
        for (const raw of raws) raw.destroy();
        await until(() => engine.stats().connections === 0, 'all to leave');
      }
      const { limitConnections, handshakesRefused } = engine.stats();
      assert.equal(limitConnections, handshakesRefused);
    });
  });

  test('does not count health checks, refused handshakes, or those that leave while they are decided', async () => {
    const limits = { connections: 2, handshakeMs: 60_000 };
    await withEngine({ shards: 1, handlers: deciding, limits }, async (engine) => {
      const one = await connect(engine);
      for (let i = 0; i < 5; i++) {
        assert.equal((await refusal(engine, { 'Sec-WebSocket-Version': '8' })).status, 426);
        for (const target of ['/ws?do=false', '/ws?do=throw', '/ws?do=false&late=1', '/ws?do=wrong&kind=list']) {
          const raw = await openRaw(engine.port);
          assert.notEqual((await raw.handshake({ target })).status, 101);
        }
        const leaving = await openRaw(engine.port);
        leaving.write(handshakeText({ target: '/ws?do=hang' }));
        await until(async () => (await refusal(engine)).status === 503, 'the undecided one to be counted');
        leaving.reset();
        await (await room(engine)).close();
        const late = await openRaw(engine.port);
        late.write(handshakeText({ target: '/ws?do=deaf' }));
        await until(async () => (await refusal(engine)).status === 503, 'the undecided one to be counted');
        late.reset();
        await (await room(engine)).close();
        one.send({ type: 'let-go' });
        await one.sync();
      }
      await until(() => engine.stats().connections === 1, 'the others to leave');
      await (await room(engine)).sync();
      assert.equal((await refusal(engine)).status, 503);
    });
  });

  test('a client whose name is taken gives its place back', async () => {
    await withEngine({ duplicateName: 'reject', limits: { connections: 2 } }, async (engine) => {
      const named = { headers: { 'X-Client-ID': 'twin' } };
      const first = await connect(engine, named);
      await first.sync();
      for (let i = 0; i < 5; i++) {
        const twin = await until(
          () =>
            connect(engine, named).then(
              (client) => client,
              () => undefined,
            ),
          'room for a twin',
        );
        assert.equal((await twin.closed).code, 3505);
      }
      await (await room(engine)).sync();
    });
  });

  test('a shard that dies leaves no counts behind', async () => {
    const limits = { connections: 4, connectionsPerAddress: 4 };
    await withEngine({ handlers: recording, limits }, async (engine) => {
      const [one, two] = await clientsApart(engine);
      await until(() => engine.stats().connections === 2, 'the others to leave');
      const more = [await connect(engine), await connect(engine)];
      assert.equal((await refusal(engine)).status, 503);
      const lost = new Promise((resolve) => engine.on('shard-lost', resolve));
      one.send({ type: 'crash' });
      assert.equal((await one.closed).code, 1012);
      await lost;
      const stayed = more.filter((client) => client.socket.readyState === client.socket.OPEN).length;
      const back = [];
      for (let i = 0; i < 4 - 1 - stayed; i++) back.push(await room(engine));
      assert.equal((await refusal(engine)).status, 503);
      await two.sync();
      for (const client of back) await client.sync();
    });
  });
});

describe('limits.connectionsPerAddress', () => {
  test('bounds the connections of one address on all shards: 429, counted; others come in', async () => {
    await withEngine({ shards: 3, limits: { connectionsPerAddress: 5 } }, async (engine) => {
      const mine = await Promise.all(Array.from({ length: 5 }, () => openWebSocket(engine.port)));
      for (let i = 1; i <= 5; i++) {
        const reply = await refusal(engine);
        assert.equal(reply.lines[0], 'HTTP/1.1 429 Too Many Requests');
        assert.match(reply.body, /^ERR_LIMIT_CONNECTIONS_PER_ADDRESS: /);
        assert.equal(reply.headers.get('retry-after'), '5');
        assert.equal(engine.stats().limitConnectionsPerAddress, i);
      }
      for (let i = 0; i < 5; i++) await openWebSocket(engine.port, { localAddress: '127.0.0.7' });
      await assert.rejects(openWebSocket(engine.port, { localAddress: '127.0.0.7' }), /429/);
      mine[0]?.destroy();
      await (await room(engine)).sync();
      assert.equal(engine.stats().connections, 10);
    });
  });

  test('is about the client behind a trusted proxy, not about the proxy', async () => {
    await withEngine({ trustProxy: 1, limits: { connectionsPerAddress: 1 } }, async (engine) => {
      const from = (address: string) => connect(engine, { headers: { 'X-Forwarded-For': address } });
      await from('203.0.113.1');
      await from('203.0.113.2');
      await assert.rejects(from('203.0.113.1'), /429/);
      await assert.rejects(from('6.6.6.6, 203.0.113.1'), /429/);
      await from('2001:db8::1');
      await assert.rejects(from('2001:db8::2'), /429/);
      await assert.rejects(from('[2001:db8:0:0:1::2]:99'), /429/);
      await from('2001:db8:0:1::1');
    });
  });
});

describe('the head of a request', () => {
  test('of more than 4,096 bytes or 98 lines is refused with 431, and counted as abandoned', async () => {
    await withEngine({}, async (engine) => {
      const heads = [
        { 'X-Large': 'x'.repeat(4_096) },
        Object.fromEntries(Array.from({ length: 99 }, (_, at) => [`X-${at}`, '1'])),
      ];
      for (const [at, headers] of heads.entries()) {
        const raw = await openRaw(engine.port);
        raw.write(handshakeText({ headers }));
        await raw.ended();
        assert.match(raw.unread.toString('latin1'), /^HTTP\/1\.1 431 /);
        await until(() => engine.stats().handshakesAbandoned === at + 1, 'it to be counted');
      }
      assert.equal(engine.stats().connectionsOpened, 0);
    });
  });

  test('that never ends, though a byte comes now and then, is cut in the end', async () => {
    await withEngine({}, async (engine) => {
      const slow = await Promise.all(Array.from({ length: 3 }, () => openRaw(engine.port)));
      const text = handshakeText({ headers: { 'X-Slow': 'x'.repeat(1_000) } });
      // The library wants the request line in one piece.
      let sent = text.indexOf('\n') + 1;
      for (const raw of slow) raw.write(text.slice(0, sent));
      const trickle = setInterval(() => {
        for (const raw of slow) if (!raw.isEnded) raw.write(text.slice(sent, sent + 1));
        sent += 1;
      }, 200);
      try {
        for (const raw of slow) await raw.ended(120_000);
      } finally {
        clearInterval(trickle);
      }
      assert.ok(sent < text.length, 'the head was never complete');
      await until(() => engine.stats().handshakesAbandoned === 3, 'them to be counted');
    });
  });
});

describe('limits on what a connection is in', () => {
  test('channels, rooms and the length of names: refused, told and counted as controlRefused', async () => {
    const limits = { channelsPerConnection: 2, roomsPerConnection: 1, channelNameBytes: 8 };
    await withEngine({ limits }, async (engine) => {
      const client = await connect(engine);
      const cases: readonly (readonly [string, object, string | null])[] = [
        ['subscribe', { channel: 'a' }, null],
        ['subscribe', { channel: 'b' }, null],
        ['subscribe', { channel: 'c' }, 'ERR_LIMIT_CHANNELS'],
        ['join_room', { room_id: 'r' }, null],
        ['join_room', { room_id: 's' }, 'ERR_LIMIT_ROOMS'],
        ['subscribe', { channel: 'x'.repeat(9) }, 'ERR_CHANNEL_INVALID'],
        ['join_room', { room_id: 'é'.repeat(5) }, 'ERR_ROOM_INVALID'],
      ];
      let refused = 0;
      for (const [type, data, code] of cases) {
        client.send({ type, data });
        if (code === null) continue;
        refused += 1;
        const told = (await client.next((message) => message.type === 'error')).data as { code: string };
        assert.equal(told.code, code);
        assert.equal(engine.stats().controlRefused, refused);
      }
      const { channels, rooms } = engine.stats();
      assert.deepEqual([channels, rooms], [2, 1]);
    });
  });

  test('the bytes of all names together: channels and rooms alike, and what is left gives its bytes back', async () => {
    await withEngine({ limits: { membershipBytes: 10 } }, async (engine) => {
      const client = await connect(engine);
      const steps: readonly (readonly [string, object, boolean])[] = [
        ['subscribe', { channel: 'éé' }, true],
        ['join_room', { room_id: 'room55' }, true],
        ['subscribe', { channel: 'x' }, false],
        // It is in there already, and has left nothing.
        ['subscribe', { channel: 'éé' }, true],
        ['leave_room', { room_id: 'none' }, true],
        ['join_room', { room_id: 'x' }, false],
        ['unsubscribe', { channel: 'éé' }, true],
        ['join_room', { room_id: 'five5' }, false],
        ['join_room', { room_id: 'four' }, true],
        ['subscribe', { channel: 'x' }, false],
      ];
      let refused = 0;
      for (const [type, data, isTaken] of steps) {
        client.send({ type, data });
        if (isTaken) continue;
        refused += 1;
        const told = (await client.next((message) => message.type === 'error')).data as { code: string };
        assert.equal(told.code, 'ERR_LIMIT_MEMBERSHIP_BYTES');
        assert.equal(engine.stats().controlRefused, refused);
      }
      const { channels, rooms } = engine.stats();
      assert.deepEqual([channels, rooms], [0, 2]);
      // Each connection has a bound of its own.
      const other = await connect(engine);
      other.send({ type: 'subscribe', data: { channel: 'ten bytes!' } });
      await until(() => engine.stats().channels === 1, 'the other subscription');
    });
  });
});
