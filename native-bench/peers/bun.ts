import { announce } from './announce.ts';
import { collectEvery } from './collect-garbage.ts';
import {
  echoPath,
  fanoutPath,
  maxBackpressureBytes,
  maxMessageBytes,
  subscribedText,
  subscribeText,
  topic,
} from './raw-talk.ts';

/** What is used of Bun's own API; its type package would be one more dependency for this one file. */
interface BunSocket {
  readonly data: { readonly isFanout: boolean };
  send(message: string | Uint8Array): number;
  subscribe(topic: string): void;
}
interface BunServer {
  readonly port: number;
  upgrade(request: Request, options: { data: BunSocket['data'] }): boolean;
  publish(topic: string, message: string | Uint8Array): number;
  stop(closeActive: boolean): Promise<void>;
}
interface BunRuntime {
  gc(synchronous: boolean): void;
  serve(options: {
    hostname: string;
    port: number;
    fetch(request: Request, server: BunServer): Response | undefined;
    websocket: {
      maxPayloadLength: number;
      backpressureLimit: number;
      perMessageDeflate: boolean;
      message(socket: BunSocket, message: string | Uint8Array): void;
    };
  }): BunServer;
}

/** Bun's own server in one thread. Run it with Bun. */
const bun = Reflect.get(globalThis, 'Bun') as BunRuntime | undefined;
if (bun === undefined) throw new Error('this peer runs in Bun only');
const server = bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  fetch(request, self) {
    // Parsing the URL would be a part of what a connection costs that no other peer has.
    const isFanout = request.url.endsWith(fanoutPath);
    if (!isFanout && !request.url.endsWith(echoPath)) return new Response('no such path', { status: 404 });
    const isUpgraded = self.upgrade(request, { data: { isFanout } });
    return isUpgraded ? undefined : new Response('a WebSocket handshake is expected', { status: 426 });
  },
  websocket: {
    maxPayloadLength: maxMessageBytes,
    backpressureLimit: maxBackpressureBytes,
    perMessageDeflate: false,
    message(socket, message) {
      if (!socket.data.isFanout) {
        socket.send(message);
      } else if (message.length === subscribeText.length) {
        socket.subscribe(topic);
        socket.send(subscribedText);
      } else {
        server.publish(topic, message);
      }
    },
  },
});
if (process.argv.includes('--gc')) collectEvery(() => bun.gc(true));
announce(server.port, () => server.stop(true));
