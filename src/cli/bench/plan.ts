import type { CodecName } from '../../shared/codec/index.ts';

export type BenchMode = 'echo' | 'fanout' | 'connect' | 'idle';

/** How messages are sealed, and with which keys. */
export interface SealPlan {
  /** `classic`: version 1. `deflate2`: with the flag byte. `seal3`: version 3. `deflate`, `seal2`: the forms before. */
  readonly form: 'classic' | 'deflate2' | 'seal3' | 'deflate' | 'seal2';
  readonly codec: CodecName;
  readonly aesKey: Uint8Array | null;
  readonly hmacKey: Uint8Array | null;
  readonly signThenEncrypt: boolean;
}

/** Bounds that decide about the exit status. */
export interface Thresholds {
  /** Latency; null: none. */
  readonly p99Ms: number | null;
  /** Answers, deliveries or handshakes per second; null: none. */
  readonly belowPerSecond: number | null;
  /** Of a fan-out, in percent. */
  readonly completeness: number;
  readonly errors: number;
}

/** What a run does, complete and checked. Every client thread gets a copy. */
export interface BenchPlan {
  readonly url: string;
  readonly mode: BenchMode;
  readonly connections: number;
  /** Connections that publish, in addition; 0 unless the mode is `fanout`. */
  readonly publishers: number;
  readonly threads: number;
  readonly durationMs: number;
  readonly warmupMs: number;
  /** Messages in flight: of a closed loop always, of an open one at most. */
  readonly inFlight: number;
  /** Of an open loop, in all; 0: closed loop. */
  readonly ratePerSecond: number;
  /** An unanswered message is given up after this time. */
  readonly timeoutMs: number;
  /** Bytes of the payload. With an envelope: bytes of its `data`. */
  readonly sizeBytes: number;
  /** A payload of the user's own; null: one of `sizeBytes`. */
  readonly message: string | null;
  /** Raw payloads go in binary frames. */
  readonly binary: boolean;
  /** Every message that comes back is an answer. */
  readonly anyAnswer: boolean;
  readonly subprotocol: string | null;
  /** Speaks shardwire's envelope; null: raw payloads. */
  readonly codec: CodecName | null;
  readonly seal: SealPlan | null;
  /** Envelope type of an echo that the server's handlers answer; null: it goes through a channel. */
  readonly type: string | null;
  /** Of a fan-out; an echo's own channels begin with it. */
  readonly channel: string;
  /** Publishers get their own messages as well. */
  readonly self: boolean;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly insecure: boolean;
  /** Eight hexadecimal digits that tell this run's messages from all others. */
  readonly runId: string;
  readonly thresholds: Thresholds;
}

/** Connections of the plan, publishers included. */
export function allConnections(plan: BenchPlan): number {
  return plan.connections + plan.publishers;
}

/** How many connections shall get one publish. */
export function audienceOf(plan: BenchPlan, subscribers: number, publishers: number): number {
  if (plan.codec !== null) return subscribers;
  return subscribers + publishers - (plan.self ? 0 : 1);
}

/** Bounds of a run that do not depend on options. */
export const bounds: {
  /** For threads that have not sent all due messages at the end. */
  readonly behindMs: 2_000;
  /** For answers that are still on their way when a run is ended early; otherwise they have their whole timeout. */
  readonly earlyMs: 2_000;
  /** The longest time until a passed timeout is noticed. */
  readonly giveUpMs: 250;
  /** For closing connections. */
  readonly closeMs: 1_000;
  /** Handshakes at a time, per thread. */
  readonly dials: 64;
} = { behindMs: 2_000, earlyMs: 2_000, giveUpMs: 250, closeMs: 1_000, dials: 64 };

/** Connections that are not open after this time count as errors, and the run goes on without them. */
export function connectingMs(plan: BenchPlan): number {
  return plan.timeoutMs + allConnections(plan);
}
