import { createServer, type Server, type Socket } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';
import { WebSocketServer } from 'ws';
import { upgrade } from '#dist/frame/index.js';
import type { EchoServerAnswer, EchoServerData } from './frame-echo-job.ts';

const port = parentPort;
if (port === null) throw new Error('this is a worker');
const { kind } = workerData as EchoServerData;
const host = '127.0.0.1';

function answer(address: ReturnType<Server['address']>): void {
  if (address === null || typeof address === 'string') throw new Error('no port');
  const listening: EchoServerAnswer = { port: address.port };
  port?.postMessage(listening);
}

if (kind === 'ours') {
  const echo = async (socket: Socket): Promise<void> => {
    const { connection } = await upgrade(socket);
    for await (const { payload, opcode } of connection) await connection.writeMessage(payload, opcode);
  };
  // Clients go without a Close frame when a round is over.
  const server = createServer((socket) => void echo(socket).catch(() => undefined));
  server.listen(0, host, () => answer(server.address()));
  port.once('message', () => server.close());
} else {
  const server = new WebSocketServer({ host, port: 0, perMessageDeflate: false });
  server.on('connection', (socket) => {
    socket.on('message', (data, binary) => socket.send(data as Buffer, { binary }));
  });
  server.on('listening', () => answer(server.address()));
  port.once('message', () => server.close());
}
