import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { createDeflate, FrameConnection, opcode, zlibCompressor } from '#dist/frame/index.js';
import { assertNothingLeft, openResources } from '../support/leaks.ts';
import { resetSocket } from '../support/reset-socket.ts';
import { pause, within } from '../support/waiting.ts';
import { pick, type Random, randomOf } from './frame-fixture.ts';

const ignore = (): void => undefined;

function connectionOn(socket: Socket, role: 'server' | 'client', deflates: boolean, random: Random): FrameConnection {
  const parameters = {
    role,
    serverNoContextTakeover: false,
    clientNoContextTakeover: false,
    serverMaxWindowBits: 15,
    clientMaxWindowBits: 15,
  };
  const compressor = zlibCompressor({ thread: pick(random, ['own', 'pool']) });
  return new FrameConnection(socket, {
    role,
    deflate: deflates ? createDeflate(parameters, { thresholdBytes: 0, compressor }) : null,
    maxMessageBytes: 1 << 20,
    closeTimeoutMs: pick(random, [10, 100]),
    writeTimeoutMs: pick(random, [50, 100]),
    readAheadBytes: pick(random, [1, 65_536]),
    maxBufferedBytes: pick(random, [1_000, 1 << 20]),
    onPing: () => {
      if (random(20) === 0) throw new Error('a ping handler failed');
    },
  });
}

async function read(connection: FrameConnection, random: Random): Promise<void> {
  const style = random(4);
  if (style === 0) {
    for await (const { payload } of connection) {
      if (random(10) === 0) return;
      if (random(3) === 0) await connection.writeMessage(payload);
    }
  } else if (style === 1) {
    while ((await connection.readFrame()) !== null) await pause(random(3));
  } else if (style === 2) {
    while ((await connection.readMessage()) !== null) await pause(random(3));
  }
}

async function* pieces(random: Random): AsyncGenerator<Uint8Array> {
  for (let i = random(20); i >= 0; i--) {
    await pause(random(2));
    if (random(30) === 0) throw new Error('a source failed');
    yield Buffer.alloc(random(5_000));
  }
}

/** Does one thing or another to a connection or the socket below it. */
async function disturb(connection: FrameConnection, socket: Socket, random: Random): Promise<void> {
  const payload = Buffer.alloc(pick(random, [0, 10, 5_000, 20_000, 200_000]), 'payload');
  const seldom = random(4) === 0;
  switch (random(13)) {
    case 0:
    case 1:
      void connection.writeMessage(payload);
      return;
    case 2:
      return connection.writeMessage(payload);
    case 3:
      void connection.ping(Buffer.from('p'));
      return;
    case 4:
      void connection.stream(pieces(random), pick(random, [100, 4_096]));
      return;
    case 5:
      void connection.writeFrame({ opcode: opcode.binary, fin: false, payload });
      void connection.writeFrame({ opcode: opcode.continuation, payload });
      return;
    case 6:
      void connection.close(pick(random, [1000, 4000]), 'x'.repeat(random(200)));
      return;
    case 7:
      connection.keepAlive({ intervalMs: 2, pongTimeoutMs: 5 });
      return;
    case 8:
      if (seldom) connection.destroy();
      return;
    case 9:
      if (seldom) socket.destroy(random(2) === 0 ? undefined : new Error('pulled'));
      return;
    case 10:
      if (seldom) socket.end();
      // A reset of one that is not connected yet waits until it is, and by then it may have been ended.
      else if (random(8) === 0 && !socket.connecting) resetSocket(socket);
      return;
    case 11:
      if (seldom) socket.write(Buffer.from(Array.from({ length: 20 }, () => random(256))));
      return;
    default:
      return pause(random(5));
  }
}

async function live(connection: FrameConnection, socket: Socket, random: Random): Promise<void> {
  const reading = read(connection, random).catch(ignore);
  const flushes: Promise<void>[] = [];
  for (let i = random(12); i >= 0; i--) {
    if (random(3) === 0) flushes.push(connection.flush());
    await disturb(connection, socket, random).catch(ignore);
  }
  if (random(2) === 0) void connection.close();
  else connection.destroy();
  await within(connection.closed, 'the end of a connection');
  await within(reading, 'whoever reads');
  await within(Promise.allSettled(flushes), 'whoever flushes');
  assert.equal(connection.state, 'closed');
  await assert.rejects(within(connection.writeMessage('late'), 'a late write'), { code: 'ERR_FRAME_CLOSED' });
  for (;;) {
    // What had come before can still be read; then there is an end or an error, and no waiting.
    const late = await within(connection.readFrame(), 'a late read').catch(() => null);
    if (late === null) break;
  }
}

test('whatever happens to a connection, it ends once, nobody waits for ever, nothing is left', async () => {
  const before = openResources();
  for (let seed = 1; seed <= 15; seed++) {
    const random = randomOf(seed);
    const server = createServer({ allowHalfOpen: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const lives: Promise<unknown>[] = [];
    const sockets: Socket[] = [];
    for (let i = 0; i < 12; i++) {
      const accepted = once(server, 'connection') as Promise<[Socket]>;
      const near = connect({ port, host: '127.0.0.1' });
      const [far] = await within(accepted, 'a connection');
      const deflates = random(2) === 0;
      for (const [socket, role] of [
        [near, 'client'],
        [far, 'server'],
      ] as const) {
        sockets.push(socket);
        const one = live(connectionOn(socket, role, deflates, random), socket, random);
        lives.push(one.catch((error: unknown) => error));
      }
    }
    const failures = (await Promise.all(lives)).filter((failure) => failure !== undefined);
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
    assert.deepEqual(failures, [], `seed ${seed}`);
  }
  await assertNothingLeft(before);
});
