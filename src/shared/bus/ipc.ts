import type { MessagePort } from 'node:worker_threads';
import type { EngineConfig } from '../config/config.ts';
import type { KeyRing } from '../config/key-ring.ts';
import type { OffloadAnswer, OffloadRequest } from '../config/offload.ts';
import type { TlsMaterial } from '../config/tls.ts';
import type { EngineMemory } from '../memory/engine-memory.ts';
import type { OpenJob, SealJob } from '../security/index.ts';

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

/** Main to shard, rare and ordered. */
export type ToShard =
  | Doorbell
  /** Rings of another shard can be read, and its doorbell is behind `port`. */
  | { readonly kind: 'peer'; readonly thread: number; readonly port: MessagePort }
  /** The thread is gone: stop reading its ring and ringing its doorbell. */
  | { readonly kind: 'peer-gone'; readonly thread: number }
  /** Take over these accepted sockets. */
  | { readonly kind: 'adopt'; readonly descriptors: readonly number[] }
  /** Accept by yourself, and hand sockets round robin to these Apps (the fallback acceptor). */
  | { readonly kind: 'listen'; readonly host: string; readonly port: number; readonly apps: readonly unknown[] }
  /** Accept no more, then say `stopped-listening`. */
  | { readonly kind: 'stop-listening' }
  /** Answer to a `claim-name`. */
  | { readonly kind: 'name-answer'; readonly claim: number; readonly granted: boolean }
  /** Another connection has this one's name now: end it. Here and not in a ring, so that it follows its `name-answer`. */
  | { readonly kind: 'name-replaced'; readonly connection: string }
  /** What the pool made of an `offload`. */
  | { readonly kind: 'offloaded'; readonly answer: OffloadAnswer }
  /** Take the keys out of your port for them, also if you need none now. */
  | { readonly kind: 'take-keys' }
  /** Empty your spill queue by `deadline` (as `monotonicMs()`), then say `settled`. */
  | { readonly kind: 'settle'; readonly deadline: number }
  /** The App behind `app` is about to close: hand no more connections to it, then say `app-forgotten`. */
  | { readonly kind: 'forget-app'; readonly app: unknown; readonly thread: number }
  /** Close every connection with `code` within the grace period, then the App; then end. */
  | { readonly kind: 'drain'; readonly graceMs: number; readonly code: number; readonly reason: string }
  /** Take new connections with this certificate, then say `tls-reloaded`. */
  | { readonly kind: 'reload-tls'; readonly id: number; readonly tls: TlsMaterial }
  /** The process is leaving: close the App at once. */
  | { readonly kind: 'abandon' }
  /** A new shard's App is behind `app`: hand connections to it too (the fallback acceptor). */
  | { readonly kind: 'meet-app'; readonly app: unknown }
  /** Say `pong`, to show that you answer. */
  | { readonly kind: 'ping' }
  /** Answer to `metrics`: the page; null: it could not be made. */
  | { readonly kind: 'metrics'; readonly request: number; readonly text: string | null };

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** Shard to main, rare and ordered. */
export type FromShard =
  | Doorbell
  | { readonly kind: 'ready'; readonly app: unknown }
  | { readonly kind: 'settled' }
  | { readonly kind: 'app-forgotten'; readonly thread: number }
  | { readonly kind: 'listening'; readonly port: number }
  | { readonly kind: 'listen-failed' }
  | { readonly kind: 'stopped-listening' }
  /** `problem`: the former certificate is kept. */
  | { readonly kind: 'tls-reloaded'; readonly id: number; readonly problem: string | null }
  | { readonly kind: 'log'; readonly level: LogLevel; readonly text: string; readonly fields: LogFields }
  /** The shard cannot go on. It closes its App and ends once it is told `abandon`, or soon. */
  | { readonly kind: 'failed'; readonly code: string; readonly text: string; readonly stack: string | undefined }
  /** Work for the pool; counted in the pool's depth already. */
  | { readonly kind: 'offload'; readonly request: OffloadRequest<ShardJob> }
  | { readonly kind: 'claim-name'; readonly claim: number; readonly name: string; readonly connection: string }
  | { readonly kind: 'release-name'; readonly name: string; readonly connection: string }
  | { readonly kind: 'pong' }
  /** Somebody asks this shard for the metrics of the engine. */
  | { readonly kind: 'metrics'; readonly request: number };
