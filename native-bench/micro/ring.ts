import { availableParallelism } from 'node:os';
import { MessageChannel, Worker } from 'node:worker_threads';
import { build } from 'hdr-histogram-js';
import { createDoorbells, createRing, Doorbells, RingProducer, targetAll } from '#dist/shared/ring/index.js';
import type { RingJob, RingJobAnswer } from './ring-job.ts';

const ringBytes = 1 << 22;
const spillBytes = 1 << 20;
/** The producer writes so many records, then the event loop gets its turn. */
const turnRecords = 8192;
const repetitions = 5;
const sizes: readonly { readonly bytes: number; readonly records: number }[] = [
  { bytes: 64, records: 2_000_000 },
  { bytes: 128, records: 2_000_000 },
  { bytes: 1024, records: 1_000_000 },
  { bytes: 16_384, records: 300_000 },
];
const wakeUps = 2000;

/** What the producer does to the payload. */
type Fill = 'touch' | 'copy';
type Finished = Extract<RingJobAnswer, { readonly answer: 'read' }>;

/** Consumer threads that stay from job to job, so that their code is warm. */
class Crew {
  readonly #workers: readonly Worker[];

  constructor(consumers: number) {
    this.#workers = Array.from({ length: consumers }, () => new Worker(new URL('./ring-worker.js', import.meta.url)));
  }

  get consumers(): number {
    return this.#workers.length;
  }

  /** Opens a ring to all threads of the crew. `attending` resolves once they read, `done` once they read everything. */
  open(records: number, measure: RingJob['measure']): OpenRing {
    const memory = createRing(ringBytes, this.consumers);
    const bells = createDoorbells(this.consumers + 1);
    const channels = this.#workers.map(() => new MessageChannel());
    const own = new Doorbells(bells, this.consumers, (thread) => channels[thread]?.port1.postMessage(null));
    const answers: Finished[] = [];
    let attending = 0;
    const { promise: allAttend, resolve: onAttend } = promiseWithResolver<void>();
    const { promise: allRead, resolve: onRead } = promiseWithResolver<readonly Finished[]>();
    for (const [consumer, worker] of this.#workers.entries()) {
      const port = channels[consumer]?.port2;
      if (port === undefined) continue;
      worker.removeAllListeners('message');
      worker.on('message', (message: RingJobAnswer) => {
        if (message.answer === 'attends') {
          attending += 1;
          if (attending === this.consumers) onAttend();
          return;
        }
        answers.push(message);
        if (answers.length === this.consumers) onRead(answers);
      });
      const job: RingJob = { memory, bells, consumer, records, port, measure };
      worker.postMessage(job, [port]);
    }
    const producer = new RingProducer(memory, { spillBytes, wake: (thread) => own.wake(thread) });
    const onDoorbell = (listener: () => void): void => {
      for (const channel of channels) channel.port1.on('message', listener);
    };
    return { producer, bells: own, onDoorbell, attending: allAttend, done: allRead };
  }

  async dismiss(): Promise<void> {
    for (const worker of this.#workers) worker.postMessage(null);
    await Promise.all(this.#workers.map((worker) => new Promise((resolve) => worker.once('exit', resolve))));
  }
}

interface OpenRing {
  readonly producer: RingProducer;
  readonly bells: Doorbells;
  readonly attending: Promise<void>;
  readonly done: Promise<readonly Finished[]>;
  onDoorbell(listener: () => void): void;
}

function promiseWithResolver<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

/** Writes `records` records as fast as the ring takes them; sleeps while it is full. */
function produce(ring: OpenRing, records: number, size: number, fill: Fill): void {
  const { producer, bells } = ring;
  const source = new Uint8Array(size).fill(1);
  let written = 0;
  const writeTurn = (): boolean => {
    if (!producer.flush()) return false;
    const end = Math.min(records, written + turnRecords);
    while (written < end) {
      if (!producer.claim(size)) return false;
      const bytes = producer.claimBytes;
      const at = producer.claimOffset;
      if (fill === 'copy') {
        bytes.set(source, at);
      } else {
        bytes[at] = 1;
        bytes[at + size - 1] = 1;
      }
      written += 1;
      if (producer.commit(1, targetAll, size) === 'spilled') return false;
    }
    return true;
  };
  const turn = (): void => {
    if (writeTurn()) {
      if (written < records) setImmediate(turn);
      return;
    }
    bells.fallAsleep();
    // Once more: a consumer that made room before this thread slept rang nobody.
    if (producer.flush() && bells.stayAwake()) setImmediate(turn);
  };
  ring.onDoorbell(turn);
  turn();
}

/** Records per second, each read by every consumer. */
async function throughput(crew: Crew, records: number, size: number, fill: Fill): Promise<number> {
  const ring = crew.open(records, 'count');
  await ring.attending;
  const began = process.hrtime.bigint();
  produce(ring, records, size, fill);
  const answers = await ring.done;
  const seconds = Number(process.hrtime.bigint() - began) / 1e9;
  for (const { records: read, bytes, sum } of answers) {
    if (read !== records || bytes !== records * size || sum !== 2 * records) {
      throw new Error(`a consumer read ${read} of ${records} records, ${bytes} bytes, sum ${sum}`);
    }
  }
  return records / seconds;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? 0;
}

async function tableOfThroughput(): Promise<void> {
  const rows: Record<string, string | number>[] = [];
  for (const consumers of [1, 3]) {
    const crew = new Crew(consumers);
    for (const fill of ['touch', 'copy'] as const) {
      for (const { bytes, records } of sizes) {
        const share = Math.ceil(records / consumers);
        await throughput(crew, share, bytes, fill);
        const rates: number[] = [];
        for (let round = 0; round < repetitions; round++) rates.push(await throughput(crew, share, bytes, fill));
        const rate = median(rates);
        rows.push({
          consumers,
          payload: fill,
          'size (bytes)': bytes,
          'records/s': Math.round(rate).toLocaleString('en'),
          'least … most': `${millions(Math.min(...rates))} … ${millions(Math.max(...rates))} M`,
          'MB/s copied': fill === 'copy' ? Math.round((rate * bytes) / 1e6).toLocaleString('en') : '',
        });
      }
    }
    await crew.dismiss();
  }
  console.log(`\nThroughput: ring of ${ringBytes >> 20} MiB, one producer thread, records for all consumers.`);
  console.log('payload touch: the producer writes the first and the last byte; copy: it copies the whole payload in.');
  console.log('Each consumer reads the first and the last byte, and counts records and bytes (verified).');
  console.log(`Median of ${repetitions} runs after one to warm up. ${threadsNote(4)}`);
  console.table(rows);
}

function millions(rate: number): string {
  return (rate / 1e6).toFixed(2);
}

function threadsNote(threads: number): string {
  return `This machine runs ${availableParallelism()} threads at once; three consumers and the producer are ${threads}.`;
}

async function tableOfWakeUps(): Promise<void> {
  const crew = new Crew(1);
  const histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: 1e10,
    numberOfSignificantValueDigits: 3,
  });
  const warmUps = 200;
  const ring = crew.open(warmUps + wakeUps, 'delay');
  await ring.attending;
  const stamp = new BigInt64Array(1);
  const stampBytes = new Uint8Array(stamp.buffer);
  for (let record = 0; record < warmUps + wakeUps; record++) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    stamp[0] = process.hrtime.bigint();
    if (!ring.producer.claim(8)) throw new Error('no room in an empty ring');
    ring.producer.claimBytes.set(stampBytes, ring.producer.claimOffset);
    ring.producer.commit(1, 0, 8);
  }
  const [answer] = await ring.done;
  if (answer?.delaysNs.length !== warmUps + wakeUps) throw new Error('a wake-up is missing');
  for (const delay of answer.delaysNs.slice(warmUps)) histogram.recordValue(delay);
  await crew.dismiss();
  console.log('\nWake-up: one record about every millisecond to a consumer that sleeps in its event loop.');
  console.log(
    `From before claim to the visit, ${wakeUps} records, ${ring.bells.rung - warmUps} of them after a doorbell.`,
  );
  const micros = (ns: number): string => (ns / 1000).toFixed(1);
  console.table([
    {
      'p50 (µs)': micros(histogram.getValueAtPercentile(50)),
      'p90 (µs)': micros(histogram.getValueAtPercentile(90)),
      'p99 (µs)': micros(histogram.getValueAtPercentile(99)),
      'max (µs)': micros(histogram.maxValue),
    },
  ]);
}

/** The ring between threads: how many records it carries, and how fast it wakes a sleeper. */
export async function benchRing(): Promise<void> {
  await tableOfThroughput();
  await tableOfWakeUps();
}
