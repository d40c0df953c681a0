import { connect as connectTcp, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { resetSocket } from '../support/reset-socket.ts';
import { pause } from '../support/waiting.ts';
import { Dice, type HostileHandshake, nextHandshake } from './hostile-handshakes.ts';

export interface Answers {
  /** How many clients were answered with each status; 0: not at all. */
  readonly statuses: Map<number, number>;
  clients: number;
}

const atATime = 48;
const connectMs = 15_000;
/** What was not answered this long after it was sent is taken for a request that is not complete. */
const longestMs = 1_000;

function statusOf(bytes: string): number {
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(bytes)?.[1] ?? 0);
}

/** One client from beginning to end. Resolves to the status that it was answered with. */
function play(port: number, { pieces, pauseMs, ending, endMs }: HostileHandshake, tls: ConnectionOptions | null) {
  return new Promise<number>((resolve) => {
    let answer = '';
    const tcp = connectTcp({ host: '127.0.0.1', port, noDelay: true });
    const socket: Socket = tls === null ? tcp : connectTls({ ...tls, socket: tcp });
    let timer = setTimeout(() => tcp.destroy(), connectMs);
    // Whatever ends it: errors are what it is here for.
    tcp.on('error', () => undefined);
    tcp.on('close', () => {
      clearTimeout(timer);
      socket.destroy();
      resolve(statusOf(answer));
    });
    if (socket !== tcp) socket.on('error', () => tcp.destroy());
    socket.on('data', (bytes: Buffer) => {
      answer += bytes.toString('latin1');
      if (ending !== 'wait') return;
      // Half of them leave the WebSocket in order, half with a reset.
      if (answer.length % 2 === 0) socket.end();
      else resetSocket(socket, tcp);
    });
    const act = async (): Promise<void> => {
      clearTimeout(timer);
      timer = setTimeout(() => tcp.destroy(), longestMs + endMs);
      for (const [at, piece] of pieces.entries()) {
        if (at > 0) await pause(pauseMs);
        socket.write(piece);
      }
      if (ending === 'wait') return;
      if (endMs > 0) await pause(endMs);
      if (ending === 'fin') socket.end();
      else if (ending === 'reset') resetSocket(socket, tcp);
      else tcp.destroy();
    };
    socket.once(tls === null ? 'connect' : 'secureConnect', () => void act());
  });
}

/** Clients of a seed, several at a time, each on a connection of its own. `isOver` ends them early. */
export async function playAll(
  port: number,
  seed: number,
  clients: number,
  tls: ConnectionOptions | null,
  isOver: () => boolean,
): Promise<Answers> {
  const dice = new Dice(seed);
  const answers: Answers = { statuses: new Map(), clients: 0 };
  const lane = async (): Promise<void> => {
    while (answers.clients < clients && !isOver()) {
      answers.clients += 1;
      const status = await play(port, nextHandshake(dice), tls);
      answers.statuses.set(status, (answers.statuses.get(status) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: atATime }, lane));
  return answers;
}
