import { parentPort } from 'node:worker_threads';
import { Doorbells, RingConsumer } from '#dist/shared/ring/index.js';
import type { RingJob, RingJobAnswer } from './ring-job.ts';

/** As a shard does: so many records at a time, then the event loop gets its turn. */
const turnRecords = 8192;
const turnBytes = 1 << 20;

function answer(what: RingJobAnswer): void {
  parentPort?.postMessage(what);
}

function read(job: RingJob): void {
  const bells = new Doorbells(job.bells, job.consumer, () => job.port.postMessage(null));
  const producerThread = job.bells.threads - 1;
  const consumer = new RingConsumer(job.memory, job.consumer, { relieve: () => bells.wake(producerThread) });
  const delaysNs: number[] = [];
  let records = 0;
  let read = 0;
  let sum = 0;

  const count = (_kind: number, bytes: Uint8Array, offset: number, length: number): void => {
    records += 1;
    read += length;
    sum += (bytes[offset] as number) + (bytes[offset + length - 1] as number);
  };
  const stamps = new BigInt64Array(1);
  const stampBytes = new Uint8Array(stamps.buffer);
  const delay = (_kind: number, bytes: Uint8Array, offset: number, length: number): void => {
    const now = process.hrtime.bigint();
    stampBytes.set(bytes.subarray(offset, offset + 8));
    delaysNs.push(Number(now - (stamps[0] ?? 0n)));
    records += 1;
    read += length;
  };
  const visit = job.measure === 'count' ? count : delay;

  const turn = (): void => {
    const before = records;
    const more = consumer.drain(turnRecords, turnBytes, visit);
    if (records === job.records) {
      consumer.leave();
      job.port.close();
      answer({ answer: 'read', records, bytes: read, sum, delaysNs });
    } else if (more || records !== before) {
      // As a shard does: one turn of the loop without sleep after something came.
      setImmediate(turn);
    } else {
      bells.fallAsleep();
      if (consumer.hasMore && bells.stayAwake()) setImmediate(turn);
    }
  };
  consumer.attend();
  job.port.on('message', turn);
  turn();
  answer({ answer: 'attends' });
}

parentPort?.on('message', (job: RingJob | null) => {
  if (job === null) parentPort?.close();
  else read(job);
});
