import { fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads';
import { startEngine } from '#dist/main/index.js';
import { type KeySet, type OpenJob, runJob, type SealJob } from '#dist/shared/security/index.js';
import type { ClientOrder, ClientReport } from './offload-client.ts';
import { jsonPayload } from './offload-payload.ts';

const keys: KeySet = {
  id: 0,
  aesKey: new Uint8Array(randomBytes(32)),
  hmacKey: new Uint8Array(randomBytes(32)),
};
const sizes = [1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576];
const rounds = 11;
const roundMs = 40;

const runMs = 6_000;
const warmupMs = 1_500;
const lightConnections = 50;
const heavyBytes = 1_048_576;
const repetitions = 3;

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? 0;
}

/** Microseconds that one call of each takes, in turns. */
function compare(calls: readonly (() => void)[]): readonly number[] {
  const times = calls.map(() => [] as number[]);
  for (let round = 0; round < rounds; round++) {
    for (const [index, call] of calls.entries()) {
      const begin = performance.now();
      let count = 0;
      while (performance.now() - begin < roundMs) {
        call();
        count += 1;
      }
      times[index]?.push(((performance.now() - begin) * 1000) / count);
    }
  }
  return times.map(median);
}

function sealJob(source: Uint8Array, deflateLevel: number): SealJob {
  return {
    op: 'seal',
    source,
    keys,
    signThenEncrypt: true,
    flagged: deflateLevel > 0,
    deflateLevel,
    prefix: null,
    aad: null,
  };
}

function openJob(sealed: SealJob): OpenJob {
  const { flagged } = sealed;
  const maxBytes = 67_108_864;
  return { op: 'open', source: runJob(sealed), keys, signThenEncrypt: true, flagged, maxBytes, aad: null };
}

/** What it costs a shard to have the job done elsewhere: a copy, a message there, a message back. */
function handOff(job: SealJob | OpenJob): () => void {
  const out = new MessageChannel();
  const back = new MessageChannel();
  for (const port of [out.port1, out.port2, back.port1, back.port2]) port.unref();
  const resultBytes = runJob(job).length;
  return () => {
    const source = new Uint8Array(new SharedArrayBuffer(job.source.length));
    source.set(job.source);
    out.port1.postMessage({ kind: 'offload', request: { id: 1, job: { ...job, source } } });
    // Made here for want of a pool, and not to be counted: an allocation without a fill is next to nothing.
    const bytes = Buffer.allocUnsafeSlow(resultBytes);
    back.port1.postMessage({ id: 1, outcome: { ok: true, bytes } }, [bytes.buffer as ArrayBuffer]);
    receiveMessageOnPort(back.port2);
    receiveMessageOnPort(out.port2);
  };
}

function printCrossover(): void {
  console.log('Microseconds that a job takes in the shard, and that handing it to the pool takes there instead');
  console.log('(AES-256-GCM and HMAC-SHA256; deflate level 6; both measured here, in one thread):\n');
  console.log('| payload bytes | seal | deflate + seal | open | open + inflate | hand-off of a seal | of an open |');
  console.log('| ---: | ---: | ---: | ---: | ---: | ---: | ---: |');
  for (const size of sizes) {
    const payload = jsonPayload(size);
    const seal = sealJob(payload, 0);
    const deflate = sealJob(payload, 6);
    const open = openJob(seal);
    const inflate = openJob(deflate);
    const run = (job: SealJob | OpenJob) => (): void => {
      runJob(job);
    };
    const times = compare([run(seal), run(deflate), run(open), run(inflate), handOff(seal), handOff(inflate)]);
    console.log(`| ${[size, ...times.map((time) => time.toFixed(1))].join(' | ')} |`);
  }
  console.log('');
}

function runClient(order: ClientOrder): Promise<ClientReport> {
  const child = fork(new URL('./offload-client.js', import.meta.url));
  child.send(order);
  return new Promise((resolve, reject) => {
    child.once('message', (report) => resolve(report as ClientReport));
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`a client process ended with ${code}`)));
  });
}

interface Trial {
  readonly light: ClientReport;
  readonly heavy: ClientReport | null;
}

async function trial(pool: boolean, withHeavy: boolean, window: number): Promise<Trial> {
  const aesKey = new Uint8Array(randomBytes(32));
  const hmacKey = new Uint8Array(randomBytes(32));
  const engine = await startEngine({
    shards: 1,
    host: '127.0.0.1',
    port: 0,
    handlers: new URL('./offload.handlers.js', import.meta.url),
    maxMessageBytes: 4_194_304,
    maxBackpressureBytes: 67_108_864,
    security: { aesKey, hmacKey, compress: true },
    ...(pool ? {} : { offload: false }),
  });
  try {
    const order = {
      port: engine.port,
      durationMs: runMs,
      warmupMs,
      window,
      aesKey: Buffer.from(aesKey).toString('hex'),
      hmacKey: Buffer.from(hmacKey).toString('hex'),
    };
    const [light, heavy] = await Promise.all([
      runClient({ ...order, role: 'light', connections: lightConnections, messageBytes: 64 }),
      withHeavy ? runClient({ ...order, role: 'heavy', connections: 1, messageBytes: heavyBytes }) : null,
    ]);
    const { sealsOffloaded, opensOffloaded, offloadFull, offloadLate, offloadFailed } = engine.stats();
    if (pool && withHeavy) {
      console.log(
        `    offloaded ${sealsOffloaded} seals, ${opensOffloaded} opens; full ${offloadFull}, late ${offloadLate}, failed ${offloadFailed}`,
      );
    }
    for (const report of [light, heavy]) if (report?.error) console.log(`    ${report.error}`);
    return { light, heavy };
  } finally {
    await engine.close();
  }
}

function row(name: string, trials: readonly Trial[]): string {
  const of = (pick: (trial: Trial) => number): string => (median(trials.map(pick)) / 1000).toFixed(2);
  const rate = median(trials.map((one) => (one.heavy?.messages ?? 0) / (runMs / 1000))).toFixed(1);
  const cells = [of((one) => one.light.p50), of((one) => one.light.p99), of((one) => one.light.max), rate];
  return `| ${name} | ${cells.join(' | ')} |`;
}

async function printLatency(window: number): Promise<void> {
  const flow = window === 0 ? 'without pause' : `at most ${window} at once`;
  console.log(
    `Round trip in ms of ${lightConnections} connections (64 B, sealed) on one shard, while one connection sends 1 MB`,
  );
  console.log(
    `messages, deflated and sealed, ${flow}, and gets each back, deflated and sealed. Median of ${repetitions} runs:\n`,
  );
  const idle: Trial[] = [];
  const without: Trial[] = [];
  const withPool: Trial[] = [];
  for (let i = 0; i < repetitions; i++) {
    idle.push(await trial(true, false, window));
    without.push(await trial(false, true, window));
    withPool.push(await trial(true, true, window));
  }
  console.log('\n| | p50 | p99 | max | 1 MB messages/s |');
  console.log('| --- | ---: | ---: | ---: | ---: |');
  console.log(row('no large messages', idle));
  console.log(row('`offload: false`', without));
  console.log(row('pool', withPool));
  const ratio = median(withPool.map((one) => one.light.p99)) / median(without.map((one) => one.light.p99));
  console.log(`\np99 with the pool is ${ratio.toFixed(3)} of that without.\n`);
}

/** Where handing work to the pool pays, and what it does for everybody else. */
export async function benchOffload(): Promise<void> {
  console.log(`${availableParallelism()} cores, Node ${process.version}\n`);
  printCrossover();
  await printLatency(0);
  await printLatency(4);
}
