import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type FloodKind, floodKinds, frame, handshake, sealedFrame } from './fairness-floods.ts';
import { median } from './median.ts';

const warmUpMs = 500;
const floodMs = 4_000;
const pauseMs = 20;
/** Nobody waits longer for one answer. */
const patienceMs = 30_000;

const textBits = 0x81;

async function told<T>(child: ChildProcess): Promise<T> {
  const [message] = await once(child, 'message');
  return message as T;
}

async function ask<T>(child: ChildProcess): Promise<T> {
  const answer = told<T>(child);
  child.send('tell');
  return answer;
}

function start(script: string, ...args: string[]): ChildProcess {
  return fork(new URL(script, import.meta.url), args);
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** A client that publishes on a channel of its own and waits for its own message. */
class Bystander {
  readonly #socket: Socket;
  readonly #frameOf: (message: string) => Buffer;

  private constructor(socket: Socket, isSealed: boolean) {
    this.#socket = socket;
    this.#frameOf = isSealed ? sealedFrame : (message) => frame(textBits, Buffer.from(message));
  }

  static async open(port: number, isSealed: boolean): Promise<Bystander> {
    const socket = connect(port, '127.0.0.1');
    socket.setNoDelay(true);
    socket.write(handshake);
    await once(socket, 'data');
    const bystander = new Bystander(socket, isSealed);
    socket.write(bystander.#frameOf('{"type":"subscribe","data":{"channel":"bystander"}}'));
    await bystander.echo();
    return bystander;
  }

  /** Milliseconds there and back. */
  async echo(): Promise<number> {
    const began = performance.now();
    this.#socket.write(this.#frameOf('{"type":"publish","channel":"bystander","data":1}'));
    await once(this.#socket, 'data', { signal: AbortSignal.timeout(patienceMs) });
    return performance.now() - began;
  }

  close(): void {
    this.#socket.destroy();
  }
}

interface Row {
  readonly roundTrips: readonly number[];
  readonly megabytesPerSecond: number;
  readonly messagesPerSecond: number;
  readonly held: number;
  readonly closed: number;
}

interface ServerCounts {
  readonly messagesIn: number;
  readonly turnsHeld: number;
  readonly turnsOverrun: number;
}

async function measure(kind: FloodKind): Promise<Row> {
  const isSealed = kind === 'sealed publishes';
  const server = start('./fairness-server.js', isSealed ? 'sealed' : 'plain');
  const children = [server];
  try {
    const { port } = await told<{ port: number }>(server);
    const bystander = await Bystander.open(port, isSealed);
    const flood = start('./fairness-flood.js', String(port), kind);
    children.push(flood);
    await told(flood);
    await sleep(warmUpMs);
    const before = await ask<ServerCounts>(server);
    const { sentBytes } = await ask<{ sentBytes: number }>(flood);
    const began = performance.now();
    const roundTrips: number[] = [];
    while (performance.now() - began < floodMs) {
      roundTrips.push(await bystander.echo());
      await sleep(pauseMs);
    }
    const seconds = (performance.now() - began) / 1_000;
    const after = await ask<ServerCounts>(server);
    const sent = (await ask<{ sentBytes: number }>(flood)).sentBytes - sentBytes;
    bystander.close();
    return {
      roundTrips,
      megabytesPerSecond: sent / 1e6 / seconds,
      messagesPerSecond: (after.messagesIn - before.messagesIn - roundTrips.length) / seconds,
      held: after.turnsHeld - before.turnsHeld,
      closed: after.turnsOverrun - before.turnsOverrun,
    };
  } finally {
    for (const child of children) child.kill('SIGKILL');
  }
}

/** How long others wait while one client floods their shard. */
export async function benchFairness(): Promise<void> {
  console.log(
    `Round trips of a bystander while one connection floods its shard with each kind of frame for ${floodMs / 1_000} s, Node ${process.version};`,
  );
  console.log('one shard. "held" counts the times that the flood had to wait for its turn, "closed" its 3504s.\n');
  console.log('| flood | worst ms | median ms | round trips | MB/s | messages/s | held | closed |');
  console.log('| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |');
  const [, , , only] = process.argv;
  for (const kind of floodKinds) {
    if (only !== undefined && kind !== only) continue;
    const { roundTrips, megabytesPerSecond, messagesPerSecond, held, closed } = await measure(kind);
    const columns = [
      Math.max(...roundTrips).toFixed(0),
      median(roundTrips).toFixed(1),
      roundTrips.length,
      megabytesPerSecond.toFixed(1),
      Math.round(messagesPerSecond),
      held,
      closed,
    ];
    console.log(`| ${kind} | ${columns.join(' | ')} |`);
  }
}
