import assert from 'node:assert/strict';
import { createRing, RingConsumer, type RingMemory, RingProducer } from '#dist/shared/ring/index.js';

/** A record as a test saw it; the payload is a copy. */
export interface SeenRecord {
  readonly kind: number;
  readonly payload: Uint8Array;
}

export interface RingFixture {
  readonly memory: RingMemory;
  readonly producer: RingProducer;
  readonly consumers: readonly RingConsumer[];
  /** Consumers that the producer woke, in order, repeats included. */
  readonly woken: number[];
  /** Consumers that asked the producer to flush, in order. */
  readonly relieved: number[];
}

export interface RingFixtureOptions {
  readonly capacity?: number;
  readonly consumers?: number;
  readonly spillBytes?: number;
  readonly start?: number;
  /** Consumers that do not attend from the beginning. */
  readonly absent?: readonly number[];
}

/** A ring, its producer and its consumers in one thread. */
export function openRing(options: RingFixtureOptions = {}): RingFixture {
  const { capacity = 4096, consumers: count = 1, spillBytes = 1 << 20, start = 0, absent = [] } = options;
  const memory = createRing(capacity, count, start);
  const woken: number[] = [];
  const relieved: number[] = [];
  const producer = new RingProducer(memory, { spillBytes, wake: (consumer) => void woken.push(consumer) });
  const consumers = Array.from(
    { length: count },
    (_, index) => new RingConsumer(memory, index, { relieve: () => void relieved.push(index) }),
  );
  for (const [index, consumer] of consumers.entries()) if (!absent.includes(index)) consumer.attend();
  return { memory, producer, consumers, woken, relieved };
}

export function consumerOf(fixture: RingFixture, index: number): RingConsumer {
  const consumer = fixture.consumers[index];
  assert.ok(consumer !== undefined, `no consumer ${index}`);
  return consumer;
}

/** Bytes that only record `number` of this length has. */
export function payloadOf(number: number, length: number): Uint8Array {
  const payload = new Uint8Array(length);
  let state = (Math.imul(number + 1, 0x9e3779b1) ^ length) | 1;
  for (let at = 0; at < length; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    payload[at] = state >>> 24;
  }
  return payload;
}

/** Everything that waits for this consumer now. */
export function readAll(consumer: RingConsumer): SeenRecord[] {
  const seen: SeenRecord[] = [];
  consumer.drain(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, (kind, bytes, offset, length) => {
    seen.push({ kind, payload: bytes.slice(offset, offset + length) });
  });
  return seen;
}

/** Reads and flushes, but flushes only when a consumer asked for it, until nothing moves. */
export function settle(fixture: RingFixture, index: number): SeenRecord[] {
  const seen: SeenRecord[] = [];
  for (;;) {
    seen.push(...readAll(consumerOf(fixture, index)));
    if (fixture.relieved.length === 0) return seen;
    fixture.relieved.length = 0;
    fixture.producer.flush();
  }
}

/** The first payload bytes of what was seen, where each record is one byte that names it. */
export function namesOf(seen: readonly SeenRecord[]): number[] {
  return seen.map((record) => record.payload[0] ?? -1);
}
