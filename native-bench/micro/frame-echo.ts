import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { WebSocket } from 'ws';
import { dial, type FrameConnection } from '#dist/frame/index.js';
import type { EchoKind, EchoServerAnswer, EchoServerData } from './frame-echo-job.ts';
import { median } from './median.ts';

const rounds = 9;
const roundMs = 400;
const warmUpMs = 800;

interface EchoShape {
  readonly bytes: number;
  readonly connections: number;
  /** Messages of one connection that are on their way. */
  readonly inFlight: number;
}

const shapes: readonly EchoShape[] = [
  { bytes: 64, connections: 1, inFlight: 1 },
  { bytes: 64, connections: 16, inFlight: 1 },
  { bytes: 64, connections: 16, inFlight: 16 },
  { bytes: 16_384, connections: 1, inFlight: 1 },
  { bytes: 16_384, connections: 16, inFlight: 1 },
  { bytes: 16_384, connections: 16, inFlight: 16 },
];

/** A client that sends a message for each that comes back, and counts. */
interface EchoClient {
  received: number;
  start(inFlight: number, payload: Buffer): void;
  /** No more is sent; resolves when all has come back. */
  stop(): Promise<void>;
  close(): void;
}

class OurClient implements EchoClient {
  readonly #connection: FrameConnection;
  received = 0;
  #running = false;
  #done: Promise<void> = Promise.resolve();

  constructor(connection: FrameConnection) {
    this.#connection = connection;
  }

  start(inFlight: number, payload: Buffer): void {
    this.#running = true;
    this.#done = this.#run(inFlight, payload);
  }

  async #run(inFlight: number, payload: Buffer): Promise<void> {
    const connection = this.#connection;
    let open = 0;
    for (; open < inFlight; open++) void connection.writeMessage(payload);
    while (open > 0) {
      const message = await connection.readMessage();
      if (message?.payload.length !== payload.length) throw new Error('not what was sent');
      this.received += 1;
      if (this.#running) await connection.writeMessage(payload);
      else open -= 1;
    }
  }

  stop(): Promise<void> {
    this.#running = false;
    return this.#done;
  }

  close(): void {
    this.#connection.destroy();
  }
}

class WsClient implements EchoClient {
  readonly #socket: WebSocket;
  received = 0;
  #payload: Buffer = Buffer.alloc(0);
  #running = false;
  #open = 0;
  #resolve: () => void = () => {};

  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on('message', (data: Buffer) => {
      if (data.length !== this.#payload.length) throw new Error('not what was sent');
      this.received += 1;
      if (this.#running) {
        socket.send(this.#payload);
        return;
      }
      this.#open -= 1;
      if (this.#open === 0) this.#resolve();
    });
  }

  start(inFlight: number, payload: Buffer): void {
    this.#running = true;
    this.#payload = payload;
    this.#open = inFlight;
    for (let i = 0; i < inFlight; i++) this.#socket.send(payload);
  }

  stop(): Promise<void> {
    this.#running = false;
    return new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  close(): void {
    this.#socket.terminate();
  }
}

async function openClient(kind: EchoKind, port: number): Promise<EchoClient> {
  const address = `ws://127.0.0.1:${port}/`;
  if (kind === 'ours') return new OurClient((await dial(address)).connection);
  const socket = new WebSocket(address, { perMessageDeflate: false });
  await once(socket, 'open');
  return new WsClient(socket);
}

interface EchoResult {
  /** Messages per second, there and back. */
  readonly rate: number;
  /** Processor time of both sides for one of them. */
  readonly cpuMicros: number;
}

async function echoRate(kind: EchoKind, port: number, shape: EchoShape, ms: number): Promise<EchoResult> {
  const clients = await Promise.all(Array.from({ length: shape.connections }, () => openClient(kind, port)));
  const payload = Buffer.alloc(shape.bytes, 'x');
  const began = performance.now();
  const cpu = process.cpuUsage();
  for (const client of clients) client.start(shape.inFlight, payload);
  await new Promise((resolve) => setTimeout(resolve, ms));
  const count = clients.reduce((sum, client) => sum + client.received, 0);
  const seconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  await Promise.all(clients.map((client) => client.stop()));
  for (const client of clients) client.close();
  return { rate: count / seconds, cpuMicros: (user + system) / count };
}

export async function benchFrameEcho(): Promise<void> {
  const kinds: readonly EchoKind[] = ['ours', 'ws'];
  const servers = kinds.map((kind) => {
    const workerData: EchoServerData = { kind };
    return new Worker(new URL('./frame-echo-worker.js', import.meta.url), { workerData });
  });
  const ports = await Promise.all(
    servers.map(async (server) => ((await once(server, 'message')) as [EchoServerAnswer])[0].port),
  );
  const rows: Record<string, string | number>[] = [];
  for (const shape of shapes) {
    const results: [EchoResult[], EchoResult[]] = [[], []];
    for (const [i, kind] of kinds.entries()) await echoRate(kind, ports[i] ?? 0, shape, warmUpMs);
    for (let round = 0; round < rounds; round++) {
      for (const [i, kind] of kinds.entries()) results[i]?.push(await echoRate(kind, ports[i] ?? 0, shape, roundMs));
    }
    const [ours, ws] = results;
    const ratios = ours.map(({ rate }, i) => rate / (ws[i]?.rate ?? 1));
    const rateOf = (all: EchoResult[]): string => Math.round(median(all.map(({ rate }) => rate))).toLocaleString('en');
    const cpuOf = (all: EchoResult[]): string => median(all.map(({ cpuMicros }) => cpuMicros)).toFixed(1);
    rows.push({
      bytes: shape.bytes,
      connections: shape.connections,
      'in flight': shape.inFlight,
      'ours (messages/s)': rateOf(ours),
      'ws (messages/s)': rateOf(ws),
      ratio: median(ratios).toFixed(2),
      'least … most': `${Math.min(...ratios).toFixed(2)} … ${Math.max(...ratios).toFixed(2)}`,
      'CPU, ours (µs)': cpuOf(ours),
      'CPU, ws (µs)': cpuOf(ws),
    });
  }
  for (const server of servers) server.postMessage(null);
  await Promise.all(servers.map((server) => once(server, 'exit')));
  console.log(
    '\nEcho over loopback: the same implementation on both sides, the server in one thread, clients in another.',
  );
  console.log(`Binary messages without compression; no native addon. Median of ${rounds} rounds that take turns.`);
  console.log('CPU: processor time of both sides together for one message there and back.');
  console.table(rows);
}
