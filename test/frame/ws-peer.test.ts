import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import { type DeflateOptions, type DialOptions, dial, type Upgraded } from '#dist/frame/index.js';
import { pause, within } from '../support/waiting.ts';
import { pick, type Random, randomBytes, randomOf } from './frame-fixture.ts';
import { withServer } from './servers.ts';

interface WsDeflate {
  readonly serverNoContextTakeover?: boolean;
  readonly clientNoContextTakeover?: boolean;
  readonly serverMaxWindowBits?: number;
  readonly clientMaxWindowBits?: number;
  readonly threshold?: number;
}

interface Pair {
  readonly name: string;
  readonly ours: DeflateOptions | null;
  readonly theirs: WsDeflate | false;
}

const pairs: Pair[] = [
  { name: 'without compression', ours: null, theirs: false },
  { name: 'with compression on one side', ours: {}, theirs: false },
  { name: 'with context takeover', ours: { thresholdBytes: 0 }, theirs: { threshold: 0 } },
  { name: 'with a threshold', ours: { thresholdBytes: 100 }, theirs: { threshold: 200 } },
];
for (const serverNoContextTakeover of [false, true]) {
  for (const clientNoContextTakeover of [false, true]) {
    for (const bits of [9, 12, 15]) {
      pairs.push({
        name: `with ${JSON.stringify({ serverNoContextTakeover, clientNoContextTakeover, bits })}`,
        ours: { thresholdBytes: 0, serverNoContextTakeover, serverMaxWindowBits: bits, level: 1 + (bits % 9) },
        theirs: { threshold: 0, clientNoContextTakeover, clientMaxWindowBits: bits },
      });
    }
  }
}

function messages(random: Random): (string | Buffer)[] {
  const words = 'the quick brown fox jumps over the lazy dog – außer Übung 😀 '.repeat(2_500);
  const sizes = [0, 1, 16, 64, 125, 126, 300, 1_024, 4_096, 20_000, 70_000, 140_000];
  return Array.from({ length: 40 }, (_, i) => {
    const size = sizes[i % sizes.length] ?? 0;
    if (random(2) === 0) return words.slice(0, size);
    return random(2) === 0 ? randomBytes(random, size) : Buffer.from(words).subarray(0, size);
  });
}

/** Sends and hears back; `ws` gives text as bytes too. */
async function echoes(socket: WebSocket, all: readonly (string | Buffer)[]): Promise<void> {
  const heard: [Buffer, boolean][] = [];
  const done = new Promise<void>((resolve, reject) => {
    socket.on('error', reject).on('close', () => reject(new Error('closed early')));
    socket.on('message', (data: Buffer, isBinary: boolean) => {
      heard.push([data, isBinary]);
      if (heard.length === all.length) resolve();
    });
  });
  for (const message of all) socket.send(message);
  await within(done, 'all echoes');
  heard.forEach(([data, isBinary], i) => {
    const sent = all[i] ?? '';
    assert.equal(isBinary, typeof sent !== 'string');
    assert.ok(data.equals(Buffer.from(sent as string)), `message ${i}`);
  });
}

/** A server of `ws` that echoes, lent for a while. */
async function withWsServer(
  options: { perMessageDeflate: WsDeflate | false; onConnection?: (socket: WebSocket) => void },
  use: (port: number) => Promise<void>,
): Promise<void> {
  const { perMessageDeflate, onConnection } = options;
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate });
  await once(server, 'listening');
  server.on('connection', (socket) => {
    socket.on('error', () => undefined);
    if (onConnection !== undefined) onConnection(socket);
    else socket.on('message', (data, isBinary) => socket.send(data as Buffer, { binary: isBinary }));
  });
  try {
    await use((server.address() as { port: number }).port);
  } finally {
    for (const socket of server.clients) socket.terminate();
    await new Promise((resolve) => server.close(resolve));
  }
}

describe('ws as a client of ours', () => {
  for (const { name, ours, theirs } of pairs) {
    for (const entry of ['raw', 'http'] as const) {
      test(`${name}, ${entry}`, async () => {
        const settled: Upgraded[] = [];
        const serve = async (upgraded: Upgraded): Promise<void> => {
          settled.push(upgraded);
          for await (const { payload, opcode } of upgraded.connection)
            await upgraded.connection.writeMessage(payload, opcode);
        };
        await withServer({ entry, deflate: ours, serve }, async ({ port }) => {
          const socket = new WebSocket(`ws://127.0.0.1:${port}/`, { perMessageDeflate: theirs });
          await once(socket, 'open');
          assert.equal(socket.extensions !== '', ours !== null && theirs !== false);
          await echoes(socket, messages(randomOf(name.length)));
          socket.removeAllListeners('close');
          socket.close(3_001, 'bye');
          const [code] = (await within(once(socket, 'close'), 'the end')) as [number];
          assert.equal(code, 3_001);
          const info = await within((settled[0] as Upgraded).connection.closed, 'our end');
          assert.deepEqual(info, { code: 3_001, reason: 'bye', clean: true, error: undefined });
        });
      });
    }
  }

  test('a stream of ours is one message to it, compressed or not', async () => {
    for (const deflate of [null, { thresholdBytes: 0 }]) {
      const serve = async ({ connection }: Upgraded): Promise<void> => {
        for (let i = 0; i < 3; i++) await connection.stream(Buffer.alloc(100_000, 'streamed '), { chunkBytes: 1_000 });
        await connection.close();
      };
      await withServer({ deflate, serve }, async ({ port }) => {
        const socket = new WebSocket(`ws://127.0.0.1:${port}/`, { perMessageDeflate: deflate !== null });
        const heard: Buffer[] = [];
        socket.on('message', (data: Buffer) => heard.push(data));
        const [code] = (await within(once(socket, 'close'), 'the end')) as [number];
        assert.equal(code, 1000);
        assert.equal(heard.length, 3);
        for (const data of heard) assert.deepEqual(data, Buffer.alloc(100_000, 'streamed '));
      });
    }
  });

  test('its fragments and pings are understood, and our close and our refusals by it', async () => {
    const serve = async ({ connection }: Upgraded): Promise<void> => {
      for await (const { payload, opcode } of connection) {
        if (payload.toString() === 'close please') await connection.close(4_000, 'as asked');
        else await connection.writeMessage(payload, opcode);
      }
    };
    const connection = { maxMessageBytes: 1_000 };
    await withServer({ serve, deflate: { thresholdBytes: 0 }, connection }, async ({ port }) => {
      const open = async (perMessageDeflate: WsDeflate | false): Promise<WebSocket> => {
        const socket = new WebSocket(`ws://127.0.0.1:${port}/`, { perMessageDeflate });
        await once(socket, 'open');
        return socket;
      };
      for (const theirs of [false, { threshold: 0 }] as const) {
        const socket = await open(theirs);
        const heard = once(socket, 'message');
        socket.send('one ', { fin: false });
        socket.ping('between');
        socket.send('two ', { fin: false });
        socket.send('three', { fin: true });
        const [pong] = (await within(once(socket, 'pong'), 'the pong')) as [Buffer];
        assert.equal(pong.toString(), 'between');
        assert.equal(String((await within(heard, 'the message'))[0]), 'one two three');
        socket.send('close please');
        const [code, reason] = (await within(once(socket, 'close'), 'the end')) as [number, Buffer];
        assert.deepEqual([code, reason.toString()], [4_000, 'as asked']);
        const greedy = await open(theirs);
        greedy.send('x'.repeat(1_001));
        const [refusal] = (await within(once(greedy, 'close'), 'the refusal')) as [number];
        assert.equal(refusal, 1009);
      }
    });
  });
});

describe('ws as a server of ours', () => {
  for (const { name, ours, theirs } of pairs) {
    test(name, async () => {
      const perMessageDeflate =
        theirs === false ? false : { ...theirs, clientMaxWindowBits: theirs.clientMaxWindowBits ?? 15 };
      await withWsServer({ perMessageDeflate }, async (port) => {
        const { connection, deflate } = await dial(`ws://127.0.0.1:${port}/`, { deflate: ours });
        assert.equal(deflate !== null, ours !== null && theirs !== false);
        const all = messages(randomOf(name.length));
        const sending = (async () => {
          for (const message of all) await connection.writeMessage(message);
        })();
        for (const [i, sent] of all.entries()) {
          const heard = await within(connection.readMessage(), `message ${i}`);
          assert.equal(heard?.opcode, typeof sent === 'string' ? 1 : 2);
          assert.ok(heard?.payload.equals(Buffer.from(sent as string)), `message ${i}`);
        }
        await sending;
        const info = await within(connection.close(3_001, 'bye'), 'the end');
        assert.deepEqual([info.code, info.clean, info.error], [3_001, true, undefined]);
      });
    });
  }

  test('its close, its end without one, and its pings are seen', async () => {
    const onConnection = (socket: WebSocket): void => {
      socket.on('message', (data: Buffer) => {
        if (String(data) === 'close') socket.close(4_002, 'server says so');
        else if (String(data) === 'terminate') socket.terminate();
        else socket.ping('are you there');
      });
      socket.on('pong', (data: Buffer) => socket.send(`pong: ${String(data)}`));
    };
    await withWsServer({ perMessageDeflate: false, onConnection }, async (port) => {
      const open = async (options: DialOptions = {}): Promise<Awaited<ReturnType<typeof dial>>['connection']> =>
        (await dial(`ws://127.0.0.1:${port}/`, options)).connection;
      const closing = await open();
      await closing.writeMessage('ping');
      assert.equal((await closing.readMessage())?.payload.toString(), 'pong: are you there');
      await closing.writeMessage('close');
      assert.equal(await closing.readMessage(), null);
      const info = await within(closing.closed, 'the end');
      assert.deepEqual([info.code, info.reason, info.clean], [4_002, 'server says so', true]);
      const lost = await open();
      await lost.writeMessage('terminate');
      await assert.rejects(lost.readMessage(), { code: 'ERR_FRAME_CONNECTION_LOST' });
      assert.equal((await within(lost.closed, 'the end')).code, 1006);
    });
  });

  test('random options on both sides agree', async () => {
    const random = randomOf(2);
    for (let round = 0; round < 40; round++) {
      const flag = (): boolean => random(2) === 0;
      const bits = (): number => 9 + random(7);
      // `ws` answers 400, and not without compression, where it cannot meet an offer: its options leave room here.
      const clientBits = bits();
      const theirs: WsDeflate = {
        threshold: 0,
        clientMaxWindowBits: 9 + random(clientBits - 8),
        ...(flag() ? { serverNoContextTakeover: true } : {}),
        ...(flag() ? { clientNoContextTakeover: true } : {}),
      };
      const ours: DeflateOptions = {
        thresholdBytes: 0,
        level: 1 + random(9),
        memLevel: 1 + random(9),
        clientMaxWindowBits: clientBits,
        ...(flag() ? { serverNoContextTakeover: true } : {}),
        ...(flag() ? { clientNoContextTakeover: true } : {}),
        ...(flag() ? { serverMaxWindowBits: bits() } : {}),
      };
      await withWsServer({ perMessageDeflate: theirs }, async (port) => {
        const { connection } = await dial(`ws://127.0.0.1:${port}/`, { deflate: ours });
        for (let i = 0; i < 8; i++) {
          const sent = pick(random, [
            randomBytes(random, 3_000),
            Buffer.alloc(random(30_000), 'again and '),
            Buffer.alloc(0),
          ]);
          await connection.writeMessage(sent);
          assert.ok(
            (await within(connection.readMessage(), 'the echo'))?.payload.equals(sent),
            JSON.stringify({ theirs, ours }),
          );
        }
        connection.destroy();
        await pause(0);
      });
    }
  });
});
