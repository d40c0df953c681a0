import { connect as connectSocket, type Socket } from 'node:net';
import type { EngineOptions } from '#dist/main/index.js';
import type { CounterName } from '#dist/shared/memory/counters.js';
import { handshakeText, type RequestOptions } from '../support/raw-socket.ts';
import { pause } from '../support/waiting.ts';
import type { Surroundings } from './engine-process.ts';

/** Whether it is time to stop. */
export type Over = () => boolean;

export interface Attack {
  readonly name: string;
  /** Of the engine. */
  readonly options?: EngineOptions;
  readonly surroundings?: Surroundings;
  /** The engine speaks TLS, and shard 0 is restarted in the middle of it. */
  readonly restartsUnderTls?: boolean;
  /** Counters that the attack makes grow, besides those of ordinary traffic. */
  readonly explains: readonly CounterName[];
  /** Of these at least one has grown afterwards, or the attack was none. */
  readonly evidence: readonly CounterName[];
  /** Goes on until it is `over`. */
  run(port: number, over: Over): Promise<void>;
}

/** A socket that reads and forgets. */
export function openSocket(port: number, allowHalfOpen = false): Socket {
  const socket = connectSocket({ port, host: '127.0.0.1', allowHalfOpen, noDelay: true });
  return socket.on('error', () => undefined).on('data', () => undefined);
}

/** A socket with a handshake on its way. Resolves when something was answered, or the socket has ended. */
export function shakeHands(port: number, request: RequestOptions = {}, allowHalfOpen = false): Promise<Socket> {
  const socket = openSocket(port, allowHalfOpen);
  socket.write(handshakeText(request));
  return new Promise((resolve) => {
    const done = (): void => resolve(socket);
    socket.once('data', done).once('close', done);
  });
}

/** Writes `bytes` again and again, up to `bytesPerSecond`; comes back each time that it is cut off. */
export async function flood(
  port: number,
  over: Over,
  bytes: Uint8Array,
  request: RequestOptions = {},
  bytesPerSecond = 6_000_000,
): Promise<void> {
  const everyMs = 10;
  const times = Math.max(1, Math.round((bytesPerSecond * everyMs) / 1_000 / bytes.length));
  const chunk = Buffer.concat(Array.from({ length: times }, () => bytes));
  while (!over()) {
    const socket = await shakeHands(port, request);
    while (!over() && !socket.destroyed && socket.writable) {
      if (socket.writableLength < 4_000_000) socket.write(chunk);
      await pause(everyMs);
    }
    socket.destroy();
    await pause(50);
  }
}

/** Does `one` with a number, `many` at a time, again and again. */
export async function crowd(many: number, over: Over, one: (number: number) => Promise<void>): Promise<void> {
  let next = 0;
  const loop = async (): Promise<void> => {
    while (!over()) await one(next++);
  };
  await Promise.all(Array.from({ length: many }, loop));
}
