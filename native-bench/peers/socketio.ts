import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server } from 'socket.io';
import { announce } from './announce.ts';
import { collectGarbage } from './collect-garbage.ts';
import { maxMessageBytes } from './raw-talk.ts';

/**
 * Socket.IO with its WebSocket transport only, its defaults else. `m` is echoed. `publish` goes to all sockets but the
 * publisher's, which its adapter does with one precomputed frame.
 */
const server = createServer();
const io = new Server(server, { transports: ['websocket'], maxHttpBufferSize: maxMessageBytes, serveClient: false });
io.on('connection', (socket) => {
  socket.on('m', (data: unknown) => {
    socket.emit('m', data);
  });
  socket.on('publish', (data: unknown) => {
    socket.broadcast.emit('m', data);
  });
});
collectGarbage();
server.listen(0, '127.0.0.1', () => {
  announce((server.address() as AddressInfo).port, async () => {
    await io.close();
  });
});
