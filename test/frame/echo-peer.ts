import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, connect as openSocket } from 'node:net';
import type { Duplex } from 'node:stream';
import { acceptFor, type DeflateOptions, dial, type Upgraded, upgrade } from '#dist/frame/index.js';
import { handshakeText, sampleKey } from '../support/raw-socket.ts';
import { within } from '../support/waiting.ts';
import { RawPeer } from './raw-peer.ts';

/** The other end of an echo program on real sockets, speaking raw frames. */
export interface EchoPeer {
  readonly peer: RawPeer;
  /** Value of the header by which the echo program settled its extensions, '' if there is none. */
  readonly extensions: string;
}

export interface EchoPrograms {
  /** A connection to a new echo program of this role. */
  open(role: 'server' | 'client', extensions?: string): Promise<EchoPeer>;
  close(): Promise<void>;
}

const maxMessageBytes = 17 << 20;

async function echo({ connection }: Pick<Upgraded, 'connection'>): Promise<void> {
  for await (const message of connection) await connection.writeMessage(message.payload, message.opcode);
}

/** Reads a head byte for byte off a socket, and gives the rest back to it. */
async function headOf(socket: Duplex): Promise<string> {
  let bytes = Buffer.alloc(0);
  for (;;) {
    const end = bytes.indexOf('\r\n\r\n');
    if (end >= 0) {
      socket.pause();
      if (bytes.length > end + 4) socket.unshift(bytes.subarray(end + 4));
      return bytes.toString('latin1', 0, end + 2);
    }
    const [chunk] = (await within(once(socket, 'data'), 'a head')) as [Buffer];
    socket.pause();
    bytes = Buffer.concat([bytes, chunk]);
  }
}

/**
 * Echo programs in both roles, as a guide would show them: a server that upgrades sockets, and a client that dials. What
 * they reject with is the business of the cases, which look at the wire.
 */
export async function echoPrograms(deflate: DeflateOptions = {}): Promise<EchoPrograms> {
  const connection = { maxMessageBytes, closeTimeoutMs: 10_000 };
  const server = createServer((socket) => {
    upgrade(socket, { deflate, connection })
      .then(echo)
      .catch(() => undefined);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const peers = new Set<RawPeer>();

  async function toServer(extensions?: string): Promise<EchoPeer> {
    const socket = openSocket({ port, host: '127.0.0.1', noDelay: true });
    await once(socket, 'connect');
    const headers = extensions === undefined ? {} : { 'Sec-WebSocket-Extensions': extensions };
    socket.write(handshakeText({ headers }));
    const head = await headOf(socket);
    assert.match(head, /^HTTP\/1\.1 101 /);
    return {
      peer: new RawPeer(socket, 'client'),
      extensions: /Sec-WebSocket-Extensions: (.*)\r\n/.exec(head)?.[1] ?? '',
    };
  }

  async function toClient(extensions?: string): Promise<EchoPeer> {
    const acceptor = createServer({ noDelay: true });
    acceptor.listen(0, '127.0.0.1');
    await once(acceptor, 'listening');
    const address = `ws://127.0.0.1:${(acceptor.address() as { port: number }).port}/`;
    void dial(address, { deflate: extensions === undefined ? null : deflate, connection })
      .then(echo)
      .catch(() => undefined);
    const [socket] = (await once(acceptor, 'connection')) as [Duplex];
    acceptor.close();
    const head = await headOf(socket);
    const key = /Sec-WebSocket-Key: (.*)\r\n/.exec(head)?.[1] ?? sampleKey;
    const line = extensions === undefined ? '' : `Sec-WebSocket-Extensions: ${extensions}\r\n`;
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${acceptFor(key)}\r\n${line}\r\n`,
    );
    return { peer: new RawPeer(socket, 'server'), extensions: extensions ?? '' };
  }

  return {
    async open(role, extensions) {
      const opened = await (role === 'server' ? toServer(extensions) : toClient(extensions));
      peers.add(opened.peer);
      return opened;
    },
    async close() {
      for (const peer of peers) peer.duplex.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
