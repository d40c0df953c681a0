import { connect, type Socket } from 'node:net';

/** Holds many connections that say nothing, in a process of its own, until it is told to end. */
const [port = 0, count = 0] = process.argv.slice(2).map(Number);
const atOnce = 100;
/** Clients of a service come over hours: the server gets time to collect what a handshake leaves behind. */
const pauseMs = 50;
const key = Buffer.alloc(16, 7).toString('base64');
const request = `GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`;

function open(): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  return new Promise((resolve, reject) => {
    socket.once('connect', () => socket.write(request));
    socket.once('data', (bytes: Buffer) => {
      if (bytes.toString('latin1').startsWith('HTTP/1.1 101')) resolve(socket);
      else reject(new Error(`refused: ${bytes}`));
    });
    socket.on('error', reject);
  });
}

const sockets: Socket[] = [];
while (sockets.length < count) {
  const wanted = Math.min(atOnce, count - sockets.length);
  sockets.push(...(await Promise.all(Array.from({ length: wanted }, open))));
  await new Promise((resolve) => setTimeout(resolve, pauseMs));
}
process.on('message', () => {
  for (const socket of sockets) socket.destroy();
  process.disconnect();
});
process.send?.('open');
