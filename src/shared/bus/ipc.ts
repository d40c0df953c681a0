import type { MessagePort } from 'node:worker_threads';
import type { EngineConfig, TransportFacts } from '../config/config.ts';
import type { KeyRing } from '../config/key-ring.ts';
import type { OffloadAnswer, OffloadRequest } from '../config/offload.ts';
import type { TlsMaterial } from '../config/tls.ts';
import type { EngineMemory } from '../memory/engine-memory.ts';
import type { OpenJob, SealJob } from '../security/index.ts';
import type { Answer, Question } from './ask-port.ts';
import type { MainQuestions, ShardQuestions } from './questions.ts';

/** What a shard's thread is started with. */
export interface ShardStart {
  readonly shard: number;
  readonly incarnation: string;
  readonly config: EngineConfig;
  readonly memory: EngineMemory;
  readonly keys: KeyRing;
  /** Null: plain TCP. */
  readonly tls: TlsMaterial | null;
  /** Brings other keys later. */
  readonly keyPort: MessagePort;
}

/** Work that a shard may hand to the pool. */
export type ShardJob = SealJob | OpenJob;

/**
 * The message that wakes a thread. It says nothing: the receiver looks at its rings. A number, because it is the
 * cheapest thing to clone.
 */
export const doorbell = 0;
export type Doorbell = typeof doorbell;

/** What main tells a shard and no answer is needed to. */
export type ShardOrder =
  /** Rings of another shard can be read, and its doorbell is behind `port`. */
  | { readonly kind: 'peer'; readonly thread: number; readonly port: MessagePort }
  /** The thread is gone: stop reading its ring and ringing its doorbell. */
  | { readonly kind: 'peer-gone'; readonly thread: number }
  /** Take over these accepted sockets. */
  | { readonly kind: 'adopt'; readonly descriptors: readonly number[] }
  /**
   * Another connection has this one's name now: end it. Here and not in a ring, so that it follows the answer to this
   * one's own `claim-name`.
   */
  | { readonly kind: 'name-replaced'; readonly connection: string }
  /** What the pool made of an `offload`. */
  | { readonly kind: 'offloaded'; readonly answer: OffloadAnswer }
  /** Take the keys out of your port for them, also if you need none now. */
  | { readonly kind: 'take-keys' }
  | DrainOrder
  /** The process is leaving: close the App at once. */
  | { readonly kind: 'abandon' }
  /** A new shard's App is behind `app`: hand connections to it too (the fallback acceptor). */
  | { readonly kind: 'meet-app'; readonly app: unknown };

/** Close every connection with `code` within the grace period, then the App; then end. */
export interface DrainOrder {
  readonly kind: 'drain';
  readonly graceMs: number;
  readonly code: number;
  readonly reason: string;
}

/** Main to shard, rare and ordered. */
export type ToShard = Doorbell | ShardOrder | Question<MainQuestions> | Answer<ShardQuestions>;

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** The shard takes part from here on; `app` is its transport's handle. */
export interface ShardReady {
  readonly kind: 'ready';
  readonly app: unknown;
  readonly transport: TransportFacts;
}

/** The shard cannot go on. It closes its App and ends once it is told `abandon`, or soon. */
export interface ShardFailed {
  readonly kind: 'failed';
  readonly code: string;
  readonly text: string;
  readonly stack: string | undefined;
}

/** What a running shard tells main and no answer is needed to, but for that of the pool. */
export type ShardNotice =
  | { readonly kind: 'log'; readonly level: LogLevel; readonly text: string; readonly fields: LogFields }
  /**
   * Work for the pool, already counted in the pool's depth. It is not one of `ShardQuestions`: its answer is moved and
   * not copied, and a job must cost no object other than its entry in the shard's `OffloadPort`.
   */
  | { readonly kind: 'offload'; readonly request: OffloadRequest<ShardJob> }
  | { readonly kind: 'release-name'; readonly name: string; readonly connection: string };

/** Shard to main, rare and ordered. */
export type FromShard =
  | Doorbell
  | ShardReady
  | ShardFailed
  | ShardNotice
  | Question<ShardQuestions>
  | Answer<MainQuestions>;
