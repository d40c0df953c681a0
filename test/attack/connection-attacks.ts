import { closePayload, frameBytes, opcode } from '../support/raw-frames.ts';
import { handshakeText } from '../support/raw-socket.ts';
import { resetSocket } from '../support/reset-socket.ts';
import { pause } from '../support/waiting.ts';
import { type Attack, crowd, openSocket, shakeHands } from './attack.ts';

const subscribe = (channel: string): Buffer =>
  frameBytes({ opcode: opcode.text, payload: JSON.stringify({ type: 'subscribe', data: { channel } }) });

/** Heads that come a byte at a time, and sockets that say nothing. */
const slowloris: Attack = {
  name: 'slowloris',
  explains: ['handshakesAbandoned', 'handshakesRefused', 'httpRequests'],
  evidence: ['handshakesAbandoned'],
  async run(port, over) {
    const head = handshakeText();
    const silent = Array.from({ length: 100 }, () => openSocket(port));
    await crowd(200, over, async (number) => {
      const socket = openSocket(port);
      for (let at = 0; at < head.length - 4 && !over() && !socket.destroyed; at++) {
        socket.write(head.charAt(at));
        await pause(100 + (number % 7) * 20);
      }
      socket.destroy();
    });
    for (const socket of silent) socket.destroy();
  },
};

const churn: Attack = {
  name: 'churn',
  explains: ['handshakesAbandoned', 'acceptErrors', 'messagesAbandoned', 'connectionsCut'],
  evidence: ['connectionsClosed'],
  run: (port, over) =>
    crowd(20, over, async (number) => {
      const socket = await shakeHands(port);
      for (let i = 0; i < 10; i++) socket.write(subscribe(`churn-${number}-${i}`));
      await pause(number % 5);
      if (number % 3 === 0) resetSocket(socket);
      else if (number % 3 === 1) socket.end(frameBytes({ opcode: opcode.close, payload: closePayload(1000) }));
      else socket.destroy();
    }),
};

/** Sockets that have sent a Close frame or a FIN, and stay. */
const halfClosed: Attack = {
  name: 'half-closed sockets',
  options: { limits: { connections: 100 } },
  explains: ['handshakesAbandoned', 'handshakesRefused', 'limitConnections', 'connectionsCut'],
  evidence: ['connectionsClosed'],
  async run(port, over) {
    const sockets = new Set<Awaited<ReturnType<typeof shakeHands>>>();
    await crowd(10, over, async (number) => {
      const socket = await shakeHands(port, {}, true);
      sockets.add(socket.once('close', () => sockets.delete(socket)));
      if (number % 2 === 0) socket.write(frameBytes({ opcode: opcode.close, payload: closePayload(1000) }));
      else socket.end();
      await pause(20);
    });
    for (const socket of sockets) socket.destroy();
  },
};

/** Every header of a handshake at random: sizes, repeats, orders; cut in pieces; left at each moment. */
const hostileHandshakes: Attack = {
  name: 'hostile handshakes with late answers',
  options: { handlers: new URL('./fixtures/late.handlers.js', import.meta.url).href },
  explains: [
    'handshakesAbandoned',
    'handshakesRefused',
    'httpRequests',
    'upgradesRejected',
    'limitHandshakes',
    'limitHandshakesPerAddress',
  ],
  evidence: ['handshakesRefused'],
  run: (port, over) =>
    crowd(30, over, async () => {
      const socket = openSocket(port);
      const request = Buffer.from(randomHandshake(), 'latin1');
      const cut = pick([request.length, Math.floor(Math.random() * request.length)]);
      socket.write(request.subarray(0, cut));
      if (cut < request.length) {
        await pause(2);
        socket.write(request.subarray(cut));
      }
      await pause(Math.random() * 30);
      if (Math.random() < 0.5) resetSocket(socket);
      else socket.destroy();
    }),
};

function pick<T>(values: readonly T[]): T {
  return values[Math.floor(Math.random() * values.length)] as T;
}

const values: Readonly<Record<string, readonly string[]>> = {
  Host: ['localhost', '', 'a'.repeat(300), 'x:1'],
  Connection: ['Upgrade', 'close', 'hello', 'keep-alive, Upgrade', '', 'Upgrade, close'],
  Upgrade: ['websocket', 'WebSocket', 'h2c', 'websocket, h2c', ''],
  'Sec-WebSocket-Key': ['dGhlIHNhbXBsZSBub25jZQ==', 'short', '', 'dGhlIHNhbXBsZSBub25jZQ==x'],
  'Sec-WebSocket-Version': ['13', '8', '13, 8', ''],
  'Sec-WebSocket-Protocol': ['json', 'json, msgpack', 'none', ','],
  'Sec-WebSocket-Extensions': ['permessage-deflate', 'permessage-deflate; server_max_window_bits=99', ';;,'],
  'Content-Length': ['0', '5', '-1', '99999999999999999999'],
  'Transfer-Encoding': ['chunked', 'identity', 'gzip, chunked'],
  Origin: ['null', 'https://evil.example', ''],
  Cookie: ['a=b', 'x'.repeat(2_000), ';;;='],
};

function randomHandshake(): string {
  const lines: string[] = [];
  for (const [name, choices] of Object.entries(values)) {
    const standard = choices[0] as string;
    const isNeeded = ['Host', 'Connection', 'Upgrade', 'Sec-WebSocket-Key', 'Sec-WebSocket-Version'].includes(name);
    const times = pick(isNeeded ? [1, 1, 1, 1, 0, 2] : [0, 0, 0, 1, 2]);
    for (let i = 0; i < times; i++) lines.push(`${name}: ${Math.random() < 0.7 ? standard : pick(choices)}`);
  }
  lines.sort(() => Math.random() - 0.5);
  const query = pick(['', '?answer=no', '?client_id=a', `?${'q'.repeat(500)}`]);
  return `${pick(['GET', 'GET', 'GET', 'POST', 'OPTIONS'])} /ws${query} HTTP/${pick(['1.1', '1.1', '1.0'])}\r\n${lines.join('\r\n')}\r\n\r\n`;
}

/** Many channels with names of the client's choice, and leaving them all at once. */
const manyNames: Attack = {
  name: 'many names',
  explains: ['controlRefused', 'turnsHeld', 'messagesAbandoned'],
  evidence: ['connectionsClosed'],
  run: (port, over) =>
    crowd(5, over, async (number) => {
      const socket = await shakeHands(port);
      const frames = Array.from({ length: 1_000 }, (_, i) => subscribe(`${number}-${i}-${'n'.repeat(i % 200)}`));
      socket.write(Buffer.concat(frames));
      await pause(200);
      socket.destroy();
    }),
};

export const connectionAttacks: readonly Attack[] = [slowloris, churn, halfClosed, hostileHandshakes, manyNames];
