import { connect } from 'node:net';
import { chunkOf, type FloodKind, handshake } from './fairness-floods.ts';

/** One connection that sends as fast as the server takes it, in a process of its own. It comes back when it is closed. */
const [port = '0', kind = 'none'] = process.argv.slice(2);
const chunk = chunkOf(kind as FloodKind);

let sentBytes = 0;
let connections = 0;

function flood(): void {
  const socket = connect(Number(port), '127.0.0.1');
  let opened = false;
  const write = (): void => {
    // Answers are read all the while: the loop must turn now and then.
    do {
      sentBytes += chunk.length;
    } while (socket.write(chunk) && socket.writableLength < chunk.length);
  };
  socket.on('drain', write);
  socket.on('error', () => undefined);
  socket.on('close', () => setTimeout(flood, 10));
  socket.on('data', () => {
    if (opened) return;
    opened = true;
    connections += 1;
    write();
  });
  socket.write(handshake);
}

if (chunk.length > 0) flood();
process.on('message', () => process.send?.({ sentBytes, connections }));
process.send?.('ready');
