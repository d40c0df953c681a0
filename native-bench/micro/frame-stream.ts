import { randomFillSync } from 'node:crypto';
import { Duplex } from 'node:stream';
import { createDeflate, type DeflateParameters, FrameConnection, type PermessageDeflate } from '#dist/frame/index.js';
import { median } from './median.ts';

const messageBytes = 1 << 20;
const chunkBytes = 4_096;
const rounds = 9;
const roundMs = 150;
const warmUpMs = 400;

/** A short JSON document, repeated: text that deflates well. */
const jsonLike = '{"status":"success","message":"lowbit-performance-payload-validation-string"}';

const parameters: DeflateParameters = {
  role: 'server',
  serverNoContextTakeover: true,
  clientNoContextTakeover: true,
  serverMaxWindowBits: 15,
  clientMaxWindowBits: 15,
};

/** A duplex in memory whose other end takes everything and throws it away. */
class Sink extends Duplex {
  bytes = 0;
  writes = 0;

  override _write(chunk: Uint8Array, _encoding: string, callback: () => void): void {
    this.bytes += chunk.length;
    this.writes += 1;
    callback();
  }

  override _writev(chunks: { chunk: Uint8Array }[], callback: () => void): void {
    for (const { chunk } of chunks) this.bytes += chunk.length;
    this.writes += 1;
    callback();
  }

  override _read(): void {}
}

interface StreamCase {
  readonly name: string;
  readonly payload: Buffer;
  readonly deflate: boolean;
  /** The sink keeps nothing, so that buffers may be used again. */
  readonly ownsBuffers: boolean;
}

function deflateOf(): PermessageDeflate {
  return createDeflate(parameters, { level: 1, thresholdBytes: 0 });
}

interface StreamResult {
  readonly gigabytes: number;
  /** The same by processor time, which does not count what other programs took of the machine. */
  readonly gigabytesPerCpu: number;
  /** Bytes that came out for one message. */
  readonly wire: number;
}

async function rate({ payload, deflate, ownsBuffers }: StreamCase, ms: number): Promise<StreamResult> {
  const sink = new Sink();
  const connection = new FrameConnection(sink, { role: 'server', ownsBuffers, deflate: deflate ? deflateOf() : null });
  let messages = 0;
  const began = performance.now();
  const cpu = process.cpuUsage();
  while (performance.now() - began < ms) {
    await connection.stream(payload, { chunkBytes });
    messages += 1;
  }
  const seconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  // The rest leaves at the end of the turn.
  await new Promise((resolve) => setImmediate(resolve));
  const wire = sink.bytes / messages;
  if (!deflate && wire !== messageBytes + (messageBytes / chunkBytes) * 4) throw new Error(`${wire} bytes came`);
  connection.destroy();
  const bytes = messages * messageBytes;
  return { gigabytes: bytes / seconds / 1e9, gigabytesPerCpu: bytes / (user + system) / 1e3, wire };
}

/** What this machine copies, in the shape that streaming has and in its simplest one, measured beside it. */
function copyRate(size: number): number {
  const from = Buffer.alloc(messageBytes, 1);
  const to = Buffer.alloc(65_536);
  let bytes = 0;
  const began = performance.now();
  while (performance.now() - began < roundMs) {
    for (let at = 0; at < messageBytes; at += size) to.set(from.subarray(at, at + size), at & (65_535 & ~(size - 1)));
    bytes += messageBytes;
  }
  return bytes / ((performance.now() - began) / 1000) / 1e9;
}

export async function benchFrameStream(): Promise<void> {
  const json = Buffer.from(jsonLike.repeat(Math.ceil(messageBytes / jsonLike.length)).slice(0, messageBytes));
  const noise = randomFillSync(Buffer.alloc(messageBytes));
  const cases: StreamCase[] = [
    { name: 'raw, JSON-like', payload: json, deflate: false, ownsBuffers: true },
    { name: 'raw, incompressible', payload: noise, deflate: false, ownsBuffers: true },
    { name: 'raw, JSON-like, buffers not used again', payload: json, deflate: false, ownsBuffers: false },
    { name: 'deflated (level 1), JSON-like', payload: json, deflate: true, ownsBuffers: true },
    { name: 'deflated (level 1), incompressible', payload: noise, deflate: true, ownsBuffers: true },
  ];
  const results = new Map<string, StreamResult[]>();
  const copies: number[][] = [[], []];
  for (const one of cases) {
    results.set(one.name, []);
    await rate(one, warmUpMs);
  }
  for (let round = 0; round < rounds; round++) {
    for (const one of cases) results.get(one.name)?.push(await rate(one, roundMs));
    copies[0]?.push(copyRate(chunkBytes));
    copies[1]?.push(copyRate(65_536));
  }
  console.log('\nStreaming: a message of 1 MiB in frames of 4 KiB, unmasked, into a duplex in memory that discards.');
  console.log(
    'Each byte is copied once, next to its header; frames leave in writes of up to 64 KiB. Deflated: zlib runs',
  );
  console.log(
    `in this thread, each frame is flushed, its output is copied twice. Median of ${rounds} rounds that take turns.`,
  );
  console.table(
    cases.map(({ name }) => {
      const all = results.get(name) ?? [];
      const rates = all.map(({ gigabytes }) => gigabytes);
      return {
        case: name,
        'GB/s': median(rates).toFixed(2),
        'least … most': `${Math.min(...rates).toFixed(2)} … ${Math.max(...rates).toFixed(2)}`,
        'GB per CPU second': median(all.map(({ gigabytesPerCpu }) => gigabytesPerCpu)).toFixed(2),
        'bytes on the wire per message': Math.round(all.at(-1)?.wire ?? 0).toLocaleString('en'),
      };
    }),
  );
  const [small = [], large = []] = copies;
  console.log(
    `This machine copies ${median(small).toFixed(1)} GB/s in pieces of 4 KiB, ${median(large).toFixed(1)} GB/s in pieces of 64 KiB.`,
  );
}
