import { build } from 'hdr-histogram-js';
import { WebSocket } from 'ws';
import { codecByName } from '#dist/shared/codec/index.js';
import { compilePipeline, type Pipeline } from '#dist/shared/security/index.js';
import { jsonPayload } from './offload-payload.ts';

/** What a client process is told to do. */
export interface ClientOrder {
  readonly role: 'heavy' | 'light';
  readonly port: number;
  readonly connections: number;
  readonly messageBytes: number;
  readonly durationMs: number;
  readonly warmupMs: number;
  readonly aesKey: string;
  readonly hmacKey: string;
  /** Echoes that may be out at once; 0: as many as the socket takes. */
  readonly window: number;
}

export interface ClientReport {
  readonly messages: number;
  /** Round trips in microseconds. */
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  readonly error: string | null;
}

const codec = codecByName('msgpack');
if (codec === undefined) throw new Error('there is no msgpack codec');
const msgpack = codec;
/** A socket that has more than this to send waits. */
const socketBytes = 4 * 1024 * 1024;

function connect(order: ClientOrder): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${order.port}/ws`, ['msgpack+deflate2'], { perMessageDeflate: false });
  return new Promise((resolve, reject) => {
    socket.once('open', () => resolve(socket));
    socket.once('error', reject);
  });
}

function echo(pipeline: Pipeline, data: Uint8Array): Uint8Array {
  return pipeline.seal(msgpack.encode({ type: 'echo', channel: '', data, timestamp: 1n, clientId: '' }));
}

/** One connection after the other says something small, and the time until it is said back is taken. */
async function light(order: ClientOrder, pipeline: Pipeline): Promise<ClientReport> {
  const histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: 60_000_000,
    numberOfSignificantValueDigits: 3,
  });
  const sockets = await Promise.all(Array.from({ length: order.connections }, () => connect(order)));
  const data = jsonPayload(order.messageBytes);
  const begin = performance.now();
  let messages = 0;
  await Promise.all(
    sockets.map(async (socket) => {
      while (performance.now() - begin < order.durationMs + order.warmupMs) {
        const sent = performance.now();
        socket.send(echo(pipeline, data), { binary: true });
        await new Promise((resolve) => socket.once('message', resolve));
        const micros = (performance.now() - sent) * 1000;
        if (sent - begin > order.warmupMs) {
          histogram.recordValue(Math.max(1, Math.round(micros)));
          messages += 1;
        }
        // Together they ask about every 2 ms, so that waiting for one does not keep the others from asking.
        await new Promise((resolve) => setTimeout(resolve, order.connections * 2 * Math.random() * 2));
      }
      socket.terminate();
    }),
  );
  return {
    messages,
    p50: histogram.getValueAtPercentile(50),
    p99: histogram.getValueAtPercentile(99),
    max: histogram.maxValue,
    error: null,
  };
}

/** Seals and sends one large message after the other; each is deflated anew, as a client must. */
async function heavy(order: ClientOrder, pipeline: Pipeline): Promise<ClientReport> {
  const socket = await connect(order);
  const data = jsonPayload(order.messageBytes);
  let out = 0;
  let messages = 0;
  let closed: string | null = null;
  const begin = performance.now();
  socket.on('message', () => {
    out -= 1;
    if (performance.now() - begin > order.warmupMs) messages += 1;
  });
  socket.on('close', (code) => {
    closed = `closed with ${code}`;
  });
  while (performance.now() - begin < order.durationMs + order.warmupMs && closed === null) {
    if ((order.window > 0 && out >= order.window) || socket.bufferedAmount > socketBytes) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      continue;
    }
    socket.send(echo(pipeline, data), { binary: true });
    out += 1;
    await new Promise((resolve) => setImmediate(resolve));
  }
  const error = closed;
  socket.terminate();
  return { messages, p50: 0, p99: 0, max: 0, error };
}

process.once('message', (order: ClientOrder) => {
  const pipeline = compilePipeline({
    subprotocol: 'msgpack+deflate2',
    aesKey: Buffer.from(order.aesKey, 'hex'),
    hmacKey: Buffer.from(order.hmacKey, 'hex'),
    compress: true,
  });
  const work = order.role === 'light' ? light(order, pipeline) : heavy(order, pipeline);
  work.then(
    (report) => process.send?.(report, () => process.disconnect()),
    (error: unknown) => {
      const report: ClientReport = { messages: 0, p50: 0, p99: 0, max: 0, error: String(error) };
      process.send?.(report, () => process.disconnect());
    },
  );
});
