import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import { type Upgraded, type UpgradeOptions, upgrade, upgradeRequest } from '#dist/frame/index.js';
import { assertNothingLeft, openResources } from '../support/leaks.ts';
import { destroyRawSockets } from '../support/raw-socket.ts';

export interface FrameServer {
  readonly port: number;
  /** What handshakes came to: what was settled, or why it was not. */
  readonly outcomes: (Upgraded | Error)[];
}

export type Entry = 'raw' | 'http';

async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  return address.port;
}

/**
 * Serves handshakes on a free port, lends it, and fails if a socket or timer is left afterwards. `use` is given each
 * connection; by default it echoes.
 */
export async function withServer<T>(
  options: UpgradeOptions & { readonly entry?: Entry; readonly serve?: (upgraded: Upgraded) => Promise<void> },
  use: (server: FrameServer) => Promise<T>,
): Promise<T> {
  const before = openResources();
  const { entry = 'raw', serve = echo, ...rest } = options;
  const outcomes: (Upgraded | Error)[] = [];
  const sockets = new Set<Socket>();
  const settle = (handshake: Promise<Upgraded>): void => {
    handshake
      .then((upgraded) => {
        outcomes.push(upgraded);
        return serve(upgraded);
      })
      .catch((error: Error) => outcomes.push(error));
  };
  const server = entry === 'raw' ? createServer() : createHttpServer();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    if (entry === 'raw') settle(upgrade(socket, rest));
  });
  server.on('upgrade', (request, socket, head) => settle(upgradeRequest(request, socket, head, rest)));
  const port = await listening(server);
  try {
    return await use({ port, outcomes });
  } finally {
    destroyRawSockets();
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
    await assertNothingLeft(before);
  }
}

/** The echo server of the guide. */
export async function echo({ connection }: Upgraded): Promise<void> {
  for await (const message of connection) await connection.writeMessage(message.payload, message.opcode);
}
