import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import {
  type DoorbellMemory,
  Doorbells,
  RingConsumer,
  type RingMemory,
  RingProducer,
  targetAll,
} from '#dist/shared/ring/index.js';
import { fillRecord, numberIn, sizeOf, targetOf, tornAt } from './stress-record.ts';

/** What a thread of the stress test is to do. Consumers have threads 0, 1, …; the producer has the last. */
export interface StressTask {
  readonly role: 'produce' | 'consume' | 'visit';
  readonly memory: RingMemory;
  readonly bells: DoorbellMemory;
  readonly thread: number;
  /** Consumers that attend from the first record to the last. */
  readonly consumers: number;
  readonly records: number;
  /** To the producer, or for the producer: to each consumer. */
  readonly ports: readonly MessagePort[];
  /** How long the consumer sleeps, with closed ears, after every so many records. */
  readonly pauseMs: number;
  readonly pauseEvery: number;
}

export type StressReport =
  | { readonly report: 'attends' }
  | { readonly report: 'read'; readonly records: number; readonly sleeps: number; readonly visits: number }
  | { readonly report: 'written'; readonly spilled: number; readonly refused: number; readonly sleeps: number };

const task = workerData as StressTask;
const endKind = 255;
const never = new Int32Array(new SharedArrayBuffer(4));

function report(what: StressReport): void {
  parentPort?.postMessage(what);
}

function fail(text: string): never {
  throw new Error(`thread ${task.thread}: ${text}`);
}

function firstFor(thread: number, from: number): number {
  for (let number = from; number < task.records; number++) {
    const target = targetOf(number, task.consumers, targetAll);
    if (target === targetAll || target === thread) return number;
  }
  return task.records;
}

function produce(): void {
  const bells = new Doorbells(task.bells, task.thread, (thread) => task.ports[thread]?.postMessage('wake'));
  const producer = new RingProducer(task.memory, { spillBytes: 1 << 18, wake: (thread) => bells.wake(thread) });
  let next = 0;
  let spilled = 0;
  let refused = 0;
  let sleeps = 0;
  let ended = false;

  // By turns it heeds the first record that spills, or writes on until it is refused.
  const heeds = (): boolean => (next & 0x4000) === 0;

  const writeSome = (): boolean => {
    if (heeds() && !producer.flush()) return false;
    for (let batch = 0; batch < 300 && next <= task.records; batch++) {
      const end = next === task.records;
      const size = end ? 0 : sizeOf(next);
      // Now and then more is claimed than needed.
      if (!producer.claim(next % 7 === 0 ? size + 40 : size)) {
        refused += 1;
        return false;
      }
      fillRecord(next, producer.claimBytes, producer.claimOffset, size);
      const target = end ? targetAll : targetOf(next, task.consumers, targetAll);
      if (producer.commit(end ? endKind : next % 255, target, size) === 'spilled') spilled += 1;
      next += 1;
      if (heeds() && producer.spilledBytes > 0) return false;
    }
    return next <= task.records;
  };

  const turn = (): void => {
    if (ended) return;
    if (writeSome()) {
      setImmediate(turn);
      return;
    }
    bells.fallAsleep();
    sleeps += 1;
    // Once more: a consumer that made room before this thread slept rang nobody.
    if (!producer.flush() || !bells.stayAwake()) return;
    if (next <= task.records) {
      setImmediate(turn);
      return;
    }
    ended = true;
    for (const port of task.ports) port.postMessage('end');
    report({ report: 'written', spilled, refused, sleeps });
  };
  for (const port of task.ports) port.on('message', turn);
  parentPort?.once('message', turn);
}

/** Reads all records from the first to the last, or, when it visits, attends and leaves again and again. */
function consume(visitsOnly: boolean): void {
  const port = task.ports[0] ?? fail('no port');
  const producerThread = task.bells.threads - 1;
  const bells = new Doorbells(task.bells, task.thread, () => port.postMessage('wake'));
  const consumer = new RingConsumer(task.memory, task.thread, { relieve: () => bells.wake(producerThread) });
  /** The next record that must come; null: whichever comes. */
  let next: number | null = visitsOnly ? null : firstFor(task.thread, 0);
  let records = 0;
  let sleeps = 0;
  let visits = 1;
  /** A visitor leaves once it has read so many records. */
  let leaveAt = 1;
  let ended = false;

  const visit = (kind: number, bytes: Uint8Array, offset: number, length: number): void => {
    if (kind === endKind && length === 0) {
      if (next !== null && next !== task.records) fail(`the end came before record ${next}`);
      ended = true;
      return;
    }
    const number = numberIn(bytes, offset);
    if (next !== null && number !== next) fail(`record ${number} came in place of ${next}`);
    if (length !== sizeOf(number)) fail(`record ${number} has ${length} bytes`);
    if (kind !== number % 255) fail(`record ${number} has kind ${kind}`);
    const torn = tornAt(number, bytes, offset, length);
    if (torn >= 0) fail(`record ${number} is torn at byte ${torn} of ${length}`);
    next = firstFor(task.thread, number + 1);
    records += 1;
    if (records % task.pauseEvery === 0) Atomics.wait(never, 0, 0, task.pauseMs);
  };

  const end = (): void => {
    consumer.leave();
    port.close();
    report({ report: 'read', records, sleeps, visits });
  };

  const comeAgain = (): void => {
    if (ended) return;
    next = null;
    visits += 1;
    leaveAt = records + (visits % 50);
    consumer.attend();
    turn();
  };

  const turn = (): void => {
    if (!consumer.attends) return;
    const more = consumer.drain(200, 1 << 15, visit);
    if (ended) {
      end();
    } else if (visitsOnly && records >= leaveAt) {
      consumer.leave();
      setImmediate(comeAgain);
    } else if (more) {
      setImmediate(turn);
    } else {
      bells.fallAsleep();
      sleeps += 1;
      if (consumer.hasMore && bells.stayAwake()) setImmediate(turn);
    }
  };

  consumer.attend();
  port.on('message', (message) => {
    if (visitsOnly && message === 'end' && !ended) {
      ended = true;
      end();
    } else turn();
  });
  turn();
  report({ report: 'attends' });
}

if (task.role === 'produce') produce();
else consume(task.role === 'visit');
