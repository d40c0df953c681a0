import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { dial, FrameConnection, upgrade } from '#dist/frame/index.js';
import { slabBytes, slabPool } from '#dist/frame/slab-pool.js';
import { pause, until, within } from '../support/waiting.ts';
import { duplexPair } from './duplex-pair.ts';
import { pick, randomBytes, randomOf } from './frame-fixture.ts';
import { linked } from './raw-peer.ts';

describe('buffers that are used again', () => {
  before(() => {
    // Whatever still refers to memory that came back sees nonsense.
    slabPool.poisons = true;
  });
  after(() => {
    slabPool.poisons = false;
  });

  test('never show in a message: slow and fast peers, all sizes', async () => {
    const server = createServer((socket) => {
      upgrade(socket)
        .then(async ({ connection }) => {
          for await (const { payload, opcode } of connection) await connection.writeMessage(payload, opcode);
        })
        .catch(() => undefined);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const talk = async (seed: number): Promise<void> => {
      const random = randomOf(seed);
      const { connection } = await dial(`ws://127.0.0.1:${port}/`);
      const kept: [Buffer, Buffer][] = [];
      const sent = Array.from({ length: 150 }, () =>
        randomBytes(random, pick(random, [0, 5, 100, 1_000, 15_000, 17_000, 70_000])),
      );
      const writing = (async () => {
        for (const payload of sent) await connection.writeMessage(payload);
      })();
      for (const payload of sent) {
        const message = await within(connection.readMessage(), 'an echo');
        kept.push([message?.payload ?? Buffer.alloc(0), payload]);
        if (random(20) === 0) await pause(2);
      }
      await writing;
      for (const [got, wanted] of kept) assert.ok(got.equals(wanted));
      await within(connection.close(), 'the end');
    };
    await Promise.all([1, 2, 3, 4, 5, 6].map(talk));
    await new Promise((resolve) => server.close(resolve));
  });

  test('come back, also from a peer that reads late, and are few', async () => {
    let accepted: Socket | undefined;
    const server = createServer((socket) => {
      accepted = socket;
      socket.pause();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    const connection = new FrameConnection(socket, { role: 'client' });
    const idle = slabPool.idleSlabs;
    const writes: Promise<void>[] = [];
    // The system's buffers take some megabytes first.
    while (connection.bufferedBytes < 10 * slabBytes && writes.length < 10_000) {
      writes.push(connection.writeMessage(Buffer.alloc(10_000)));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => accepted, 'the peer');
    accepted?.resume();
    await within(Promise.all(writes), 'all writes');
    await until(() => connection.bufferedBytes === 0, 'the output');
    await pause(5);
    assert.ok(
      slabPool.idleSlabs >= Math.min(idle, 1) && slabPool.idleSlabs <= 32,
      `${slabPool.idleSlabs} slabs are idle`,
    );
    connection.destroy();
    await within(connection.closed, 'the end');
    accepted?.destroy();
    await new Promise((resolve) => server.close(resolve));
  });

  test('are not used for streams that may keep what was written', async () => {
    const [near, far] = duplexPair();
    far.resume();
    const writer = new FrameConnection(near, { role: 'server' });
    const wanted: string[] = [];
    for (let i = 0; i < 300; i++) {
      wanted.push(`message ${i} `.repeat(20));
      await writer.writeMessage(wanted[i] ?? '');
      if (i % 7 === 0) await pause(0);
    }
    await pause(0);
    // What the stream got are views, which nothing may have overwritten since.
    const text = Buffer.concat(near.writes).toString('latin1');
    let at = 0;
    for (const one of wanted) {
      at = text.indexOf(one, at);
      assert.ok(at >= 0, one);
      at += one.length;
    }
    writer.destroy();
  });
});

describe('a payload that is lent', () => {
  test('is its owner again when the promise resolves, and not changed meanwhile', async () => {
    const { connection, peer, pipe } = linked({}, 1_000);
    const payload = Buffer.alloc(100_000, 'lent');
    const write = connection.writeMessage(payload);
    await write;
    assert.equal(pipe.writableLength, 0, 'the stream has let go of it');
    payload.fill('changed');
    assert.deepEqual((await peer.frame()).payload, Buffer.alloc(100_000, 'lent'));
    const small = Buffer.alloc(1_000, 'copied');
    void connection.writeMessage(small);
    small.fill('changed');
    assert.deepEqual((await peer.frame()).payload, Buffer.alloc(1_000, 'copied'));
    connection.destroy();
  });
});

describe('a writer that never has to wait', () => {
  const ways: [string, number, (connection: FrameConnection, payload: Buffer) => Promise<void>][] = [
    ['copied messages', 10_000, (connection, payload) => connection.writeMessage(payload)],
    ['messages that are not copied', 20_000, (connection, payload) => connection.writeMessage(payload)],
    ['each message flushed', 10_000, writeAndFlush],
  ];
  for (const [what, bytes, send] of ways) {
    test(`leaves other work its turn: ${what}`, async () => {
      const { connection, peer } = linked({}, 1 << 24);
      peer.duplex.on('data', () => undefined);
      let turns = 0;
      let running = true;
      const count = (): void => {
        turns += 1;
        if (running) setImmediate(count);
      };
      setImmediate(count);
      for (let i = 0; i < 500; i++) await send(connection, Buffer.alloc(bytes));
      running = false;
      assert.ok(turns > 5, `${turns} turns`);
      connection.destroy();
    });
  }
});

async function writeAndFlush(connection: FrameConnection, payload: Buffer): Promise<void> {
  await connection.writeMessage(payload);
  await connection.flush();
}
