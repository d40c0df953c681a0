import assert from 'node:assert/strict';
import {
  createDoorbells,
  createRing,
  type DoorbellMemory,
  Doorbells,
  dismissConsumer,
  RingConsumer,
  type RingMemory,
  RingProducer,
  targetAll,
} from '#dist/shared/ring/index.js';
import { payloadOf } from './ring-fixture.ts';

/** One thing that a thread does with the ring. Readers are numbered modulo their count. */
export type Action =
  | { readonly do: 'write'; readonly size: number; readonly excess: number; readonly target: number }
  | { readonly do: 'abandon'; readonly size: number }
  | { readonly do: 'drain'; readonly reader: number; readonly maxRecords: number; readonly maxBytes: number }
  | { readonly do: 'attend'; readonly reader: number }
  | { readonly do: 'leave'; readonly reader: number }
  | { readonly do: 'dismiss'; readonly reader: number }
  | { readonly do: 'flush' };

export interface RingModelOptions {
  readonly readers: number;
  readonly start: number;
  readonly spillBytes: number;
  /** Called between any two steps of a thread at which another thread may run. */
  readonly step?: () => void;
}

interface ModelRecord {
  readonly target: number;
  readonly payload: Uint8Array;
}

interface Reader {
  consumer: RingConsumer;
  readonly doorbells: Doorbells;
  awake: boolean;
  busy: boolean;
  /** The first record that it may see since it attended, and the first that it must see once that is certain. */
  low: number;
  high: number | null;
  /** The first record that it saw since it attended. */
  first: number | null;
  /** The record after the last one it saw; null: none yet since it attended. */
  next: number | null;
}

/** A piece that waits in the spill queue. */
interface WaitingPiece {
  readonly record: number;
  readonly first: boolean;
  readonly bytes: number;
}

const capacity = 4096;
/** A record is recognised by its kind, so a run writes no more of them. */
const maxRecords = 256;

function bytesOf(payloadLength: number): number {
  return 8 + Math.ceil(payloadLength / 8) * 8;
}

/**
 * A ring, its producer and its readers with the sleep protocol of the engine, beside a plain list of what was
 * accepted. It checks each visit and, when everything came to rest, that nothing is missing. A reader that sleeps does
 * nothing before its doorbell rings, and the producer flushes by itself only when a reader asked for it.
 */
export class RingModel {
  readonly #memory: RingMemory;
  readonly #bells: DoorbellMemory;
  readonly #producer: RingProducer;
  readonly #readers: readonly Reader[];
  readonly #spillBytes: number;
  readonly #step: () => void;
  readonly #records: ModelRecord[] = [];
  #waiting: WaitingPiece[] = [];
  #producerBusy = false;
  #producerRung = false;
  /** Records that readers saw. */
  delivered = 0;

  constructor(options: RingModelOptions) {
    this.#memory = createRing(capacity, options.readers, options.start);
    this.#bells = createDoorbells(options.readers);
    this.#spillBytes = options.spillBytes;
    this.#step = options.step ?? ((): void => {});
    const producerBells = new Doorbells(this.#bells, 0, (thread) => {
      const reader = this.#readers[thread];
      assert.ok(reader !== undefined, 'a doorbell rings for a reader');
      reader.awake = true;
    });
    this.#producer = new RingProducer(this.#memory, {
      spillBytes: options.spillBytes,
      wake: (thread) => producerBells.wake(thread),
    });
    this.#readers = Array.from({ length: options.readers }, (_, index) => ({
      consumer: this.#openConsumer(index),
      doorbells: new Doorbells(this.#bells, index, () => assert.fail('a reader rings nobody')),
      awake: true,
      busy: false,
      low: 0,
      high: 0,
      first: null,
      next: null,
    }));
  }

  get spilledBytes(): number {
    return this.#producer.spilledBytes;
  }

  /** Runs an action, unless its thread is in the middle of another one. */
  run(action: Action): void {
    if (action.do === 'write' || action.do === 'abandon' || action.do === 'flush') {
      if (this.#producerBusy) return;
      this.#producerBusy = true;
      if (action.do === 'write') this.#write(action.size, action.excess, this.#targetOf(action.target));
      else if (action.do === 'abandon') this.#producer.claim(action.size);
      else this.#flushIfRung();
      this.#settleProducer();
      this.#producerBusy = false;
      return;
    }
    const index = action.reader % this.#readers.length;
    const reader = this.#readers[index];
    if (reader === undefined || reader.busy) return;
    reader.busy = true;
    if (action.do === 'attend') this.#attend(reader);
    else if (action.do === 'leave') reader.consumer.leave();
    else if (action.do === 'dismiss') this.#dismiss(reader, index);
    else if (action.do === 'drain') this.#drain(reader, index, action.maxRecords, action.maxBytes);
    reader.busy = false;
  }

  /** Between actions: nobody sleeps over what waits for him. */
  checkNobodyIsStuck(): void {
    const attending = this.#readers.filter((reader) => reader.consumer.attends);
    if (this.#producer.spilledBytes > 0 && !this.#producerRung) {
      assert.ok(
        attending.some((reader) => reader.awake),
        'all readers sleep, and the spill queue is not empty',
      );
    }
    const complete = this.#waiting[0]?.record ?? this.#records.length;
    for (const reader of attending) {
      if (reader.awake || reader.high === null) continue;
      const first = this.#firstFor(this.#readers.indexOf(reader), reader.next ?? reader.high);
      assert.ok(first >= complete, `a reader sleeps over record ${first}`);
    }
  }

  /** Lets every thread run until all sleep, then checks that nothing is left. */
  finish(): void {
    while (this.#producerRung || this.#readers.some((reader) => reader.awake && reader.consumer.attends)) {
      this.run({ do: 'flush' });
      for (let reader = 0; reader < this.#readers.length; reader++) {
        this.run({ do: 'drain', reader, maxRecords: 1000, maxBytes: 1 << 20 });
      }
    }
    assert.equal(this.#producer.spilledBytes, 0, 'all sleep, and the spill queue is not empty');
    for (const [index, reader] of this.#readers.entries()) {
      if (!reader.consumer.attends) continue;
      assert.equal(this.#firstFor(index, reader.next ?? reader.high ?? 0), this.#records.length, `lost by ${index}`);
    }
  }

  #openConsumer(index: number): RingConsumer {
    return new RingConsumer(this.#memory, index, {
      relieve: () => {
        this.#producerRung = true;
      },
    });
  }

  #targetOf(target: number): number {
    return target < this.#readers.length ? target : targetAll;
  }

  #write(size: number, excess: number, target: number): void {
    if (this.#records.length === maxRecords) return;
    const producer = this.#producer;
    if (!producer.claim(size + excess)) {
      assert.ok(producer.spilledBytes + bytesOf(size + excess) > this.#spillBytes, 'overloaded below the bound');
      return;
    }
    const number = this.#records.length;
    const payload = payloadOf(number, size);
    this.#records.push({ target, payload });
    this.#waiting.push(...this.#piecesOf(number, size));
    this.#step();
    producer.claimBytes.fill(0xee, producer.claimOffset, producer.claimOffset + size + excess);
    this.#step();
    producer.claimBytes.set(payload, producer.claimOffset);
    this.#step();
    const verdict = producer.commit(number, target, size);
    if (verdict === 'spilled') assert.ok(producer.spilledBytes > 0);
    else assert.equal(producer.spilledBytes, 0, verdict);
    assert.ok(producer.spilledBytes <= this.#spillBytes + 64, 'the spill queue keeps its bound');
  }

  #piecesOf(number: number, size: number): WaitingPiece[] {
    const max = this.#producer.maxPieceBytes;
    if (size <= max) return [{ record: number, first: true, bytes: bytesOf(size) }];
    const pieces: WaitingPiece[] = [{ record: number, first: true, bytes: bytesOf(max) }];
    for (let left = size + 8 - max; left > 0; left -= max) {
      pieces.push({ record: number, first: false, bytes: bytesOf(Math.min(left, max)) });
    }
    return pieces;
  }

  #flushIfRung(): void {
    if (!this.#producerRung) return;
    this.#producerRung = false;
    this.#producer.flush();
  }

  /** After an action of the producer: which pieces wait is certain again. */
  #settleProducer(): void {
    const depth = this.#producer.depthBytes;
    // A reader in the middle of `attend` may still show an old cursor.
    if (this.#readers.every((reader) => !reader.busy)) assert.ok(depth <= capacity);
    let left = this.#producer.spilledBytes;
    let first = this.#waiting.length;
    while (left > 0 && first > 0) {
      first -= 1;
      left -= this.#waiting[first]?.bytes ?? 0;
    }
    assert.equal(left, 0, 'the spill queue holds whole pieces, the latest ones');
    this.#waiting = this.#waiting.slice(first);
    const high = this.#firstWaiting();
    for (const reader of this.#readers) if (reader.high === null) this.#settleReader(reader, high);
  }

  #settleReader(reader: Reader, high: number): void {
    reader.high = high;
    this.#checkFirst(reader);
  }

  #checkFirst(reader: Reader): void {
    if (reader.first === null) return;
    assert.ok(reader.first >= reader.low, `record ${reader.first} is older than the attendance`);
    if (reader.high === null) return;
    assert.ok(
      reader.first <= this.#firstFor(this.#readers.indexOf(reader), reader.high),
      'the first record is missing',
    );
  }

  /** The first record of which the ring has nothing yet. */
  #firstWaiting(): number {
    for (const piece of this.#waiting) if (piece.first) return piece.record;
    return this.#records.length;
  }

  #attend(reader: Reader): void {
    if (reader.consumer.attends) return;
    reader.doorbells.stayAwake();
    reader.awake = true;
    reader.low = this.#firstWaiting();
    reader.first = null;
    reader.next = null;
    reader.high = null;
    reader.consumer.attend();
    reader.high = this.#producerBusy ? null : this.#firstWaiting();
  }

  #dismiss(reader: Reader, index: number): void {
    if (dismissConsumer(this.#memory, index)) this.#producerRung = true;
    reader.consumer = this.#openConsumer(index);
  }

  #drain(reader: Reader, index: number, records: number, bytes: number): void {
    if (!reader.awake || !reader.consumer.attends) return;
    const more = reader.consumer.drain(records, bytes, (kind, from, offset, length) => {
      this.#check(reader, index, kind, from.subarray(offset, offset + length));
    });
    if (more) return;
    reader.awake = false;
    reader.doorbells.fallAsleep();
    if (!reader.consumer.hasMore) return;
    reader.doorbells.stayAwake();
    reader.awake = true;
  }

  #check(reader: Reader, index: number, number: number, payload: Uint8Array): void {
    const record = this.#records[number];
    assert.ok(record !== undefined, `record ${number} was never written`);
    assert.ok(record.target === targetAll || record.target === index, `record ${number} is for others`);
    assert.deepEqual(payload, record.payload, `record ${number} is torn`);
    if (reader.next === null) {
      reader.first = number;
      this.#checkFirst(reader);
    } else {
      assert.ok(number >= reader.next, `record ${number} came again, or late`);
      assert.equal(this.#firstFor(index, reader.next), number, 'a record is missing');
    }
    reader.next = number + 1;
    this.delivered += 1;
    this.#step();
    assert.deepEqual(payload, record.payload, `record ${number} was overwritten while it was read`);
  }

  #firstFor(index: number, from: number): number {
    for (let number = from; number < this.#records.length; number++) {
      const target = this.#records[number]?.target;
      if (target === targetAll || target === index) return number;
    }
    return this.#records.length;
  }
}
