import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { describe, test } from 'node:test';
import type { Upgraded } from '#dist/frame/index.js';
import { frameBytes, opcode } from '../support/raw-frames.ts';
import { openWebSocket, type RawSocket } from '../support/raw-socket.ts';
import { until, within } from '../support/waiting.ts';
import { echo, withServer } from './servers.ts';

/** The lengths of what a connection writes to its socket, as the socket gets them. */
function writesOf({ connection }: Upgraded): number[] {
  const socket = connection.duplex as Socket;
  const lengths: number[] = [];
  const write = socket.write.bind(socket) as (...args: readonly unknown[]) => boolean;
  socket.write = (...args: readonly unknown[]): boolean => {
    const [bytes] = args;
    if (bytes instanceof Uint8Array) lengths.push(bytes.length);
    return write(...args);
  };
  return lengths;
}

const text = (payload: string): Buffer => frameBytes({ opcode: opcode.text, payload });

async function texts(raw: RawSocket, count: number): Promise<string[]> {
  const all: string[] = [];
  for (let i = 0; i < count; i++) all.push((await raw.nextFrame()).payload.toString());
  return all;
}

describe('answers on a socket', () => {
  test('to the messages of one chunk leave together', async () => {
    let writes: number[] = [];
    const serve = (upgraded: Upgraded): Promise<void> => {
      writes = writesOf(upgraded);
      return echo(upgraded);
    };
    await withServer({ serve }, async ({ port }) => {
      const raw = await openWebSocket(port);
      const sent = Array.from({ length: 16 }, (_, i) => `message ${i}`);
      const bytes = Buffer.concat(sent.map(text));
      // A first round: the server has a reader then.
      raw.write(text('first'));
      assert.deepEqual(await texts(raw, 1), ['first']);
      writes.length = 0;
      raw.write(bytes);
      assert.deepEqual(await texts(raw, 16), sent);
      assert.equal(writes.length, 1);
    });
  });

  test('leave at once when all input is read, and what follows in the same turn leaves together', async () => {
    let writes: number[] = [];
    const inTurn: number[][] = [];
    const serve = async (upgraded: Upgraded): Promise<void> => {
      const { connection } = upgraded;
      writes = writesOf(upgraded);
      for await (const message of connection) {
        assert.equal(message.payload.toString(), 'go');
        void connection.writeMessage('one');
        inTurn.push([...writes]);
        void connection.writeMessage('two');
        void connection.writeMessage('three');
        inTurn.push([...writes]);
      }
    };
    await withServer({ serve }, async ({ port }) => {
      const raw = await openWebSocket(port);
      raw.write(text('go'));
      assert.deepEqual(await texts(raw, 3), ['one', 'two', 'three']);
      assert.deepEqual(inTurn, [[5], [5]]);
      assert.deepEqual(writes, [5, 12]);
    });
  });

  test('wait for their turn in order behind what the peer has not taken, and all leave in the end', async () => {
    const size = 200_000;
    let full = false;
    const serve = async (upgraded: Upgraded): Promise<void> => {
      const { connection } = upgraded;
      for await (const _ of connection) {
        // Until the system takes no more; the peer does not read meanwhile.
        while (connection.bufferedBytes < 1_000_000) {
          void connection.writeMessage(Buffer.alloc(size));
          await new Promise((resolve) => setImmediate(resolve));
        }
        void connection.writeMessage('behind');
        full = true;
        await connection.flush();
        void connection.writeMessage('flushed');
      }
    };
    await withServer({ serve }, async ({ port }) => {
      const raw = await openWebSocket(port);
      raw.socket.pause();
      raw.write(text('go'));
      await until(() => full, 'the system to take no more');
      raw.socket.resume();
      for (;;) {
        const { opcode: code, payload } = await within(raw.nextFrame(), 'a frame');
        if (code === opcode.text) {
          assert.equal(payload.toString(), 'behind');
          break;
        }
        assert.equal(payload.length, size);
      }
      assert.deepEqual(await texts(raw, 1), ['flushed']);
    });
  });
});
