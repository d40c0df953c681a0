import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { acceptFor } from '#dist/frame/index.js';
import { opcode, type RawFrame, takeFrame } from '../support/raw-frames.ts';

/** A TCP server on a free port, ended with the test. */
export async function serveTcp(t: TestContext, serve: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    // A client that is gone is the end of a run.
    socket.on('error', () => undefined);
    serve(socket);
  });
  t.after(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  return address.port;
}

function acceptance(key: string): string {
  return (
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
    `Sec-WebSocket-Accept: ${acceptFor(key)}\r\n\r\n`
  );
}

/** What a server by hand does; by default it accepts, in one write, and does nothing with what it gets. */
export interface RawServer {
  readonly answer?: (key: string) => string;
  /** How the answer is written. */
  readonly write?: (socket: Socket, bytes: Buffer) => void;
  /** Gets every frame but the client's Close. */
  readonly received?: (socket: Socket, frame: RawFrame) => void;
}

/** A WebSocket server by hand, on a free port. */
export async function serveRaw(
  t: TestContext,
  { answer = acceptance, write = (socket, bytes) => void socket.write(bytes), received }: RawServer,
): Promise<number> {
  return await serveTcp(t, (socket) => {
    let bytes: Buffer = Buffer.alloc(0);
    let upgraded = false;
    socket.on('data', (data: Buffer) => {
      bytes = Buffer.concat([bytes, data]);
      if (!upgraded) {
        const end = bytes.indexOf('\r\n\r\n');
        if (end < 0) return;
        const key = /sec-websocket-key: (\S+)/i.exec(bytes.toString('latin1', 0, end))?.[1] ?? '';
        bytes = bytes.subarray(end + 4);
        upgraded = true;
        write(socket, Buffer.from(answer(key)));
      }
      for (let taken = takeFrame(bytes); taken !== undefined; taken = takeFrame(bytes)) {
        bytes = taken.rest;
        if (taken.frame.opcode !== opcode.close) received?.(socket, taken.frame);
      }
    });
  });
}
