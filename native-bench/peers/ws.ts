import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import { announce } from './announce.ts';
import { collectGarbage } from './collect-garbage.ts';
import { fanoutPath, maxMessageBytes, subscribedText, subscribeText } from './raw-talk.ts';
import { serverFrame } from './server-frame.ts';

/**
 * The `ws` package in one thread. Fan-out writes one precomputed frame to the sockets that the server's own `upgrade`
 * event gave: that costs about a tenth less than the loop of `send` calls in its README, and is the fastest that its
 * public API allows. It is sound here because nothing else is being sent and nothing is compressed.
 */
const sockets = new Set<Duplex>();
const webSockets = new WebSocketServer({ noServer: true, maxPayload: maxMessageBytes, clientTracking: false });
const server = createServer();

server.on('upgrade', (request, socket, head) => {
  webSockets.handleUpgrade(request, socket, head, (client) => {
    client.on('error', () => client.terminate());
    if (request.url === fanoutPath) {
      client.on('close', () => sockets.delete(socket));
      client.on('message', (data: Buffer, isBinary) => {
        if (data.length === subscribeText.length) {
          sockets.add(socket);
          client.send(subscribedText);
          return;
        }
        const frame = serverFrame(data, isBinary);
        for (const subscriber of sockets) subscriber.write(frame);
      });
    } else {
      client.on('message', (data: Buffer, isBinary) => client.send(data, { binary: isBinary }));
    }
  });
});
collectGarbage();
server.listen(0, '127.0.0.1', () => {
  announce((server.address() as AddressInfo).port, () => {
    server.close();
  });
});
