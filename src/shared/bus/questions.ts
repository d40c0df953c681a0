import type { TlsMaterial } from '../config/tls.ts';
import type { QuestionKind, QuestionRules } from './ask-port.ts';

/** What a shard asks main. */
export interface ShardQuestions {
  /** May this connection have the name? Only where names are unique in the engine. */
  readonly 'claim-name': QuestionKind<{ readonly name: string; readonly connection: string }, boolean>;
  /** The metrics of the engine, as a page. */
  readonly metrics: QuestionKind<null, string>;
}

export const shardQuestionRules: QuestionRules<ShardQuestions> = {
  // One for each connection that has come and not been admitted. Those are bounded, and wait for as long as main is blocked.
  'claim-name': { most: Number.POSITIVE_INFINITY, timeoutMs: Number.POSITIVE_INFINITY },
  metrics: { most: 1, timeoutMs: 2_000 },
};

/** What main asks a shard. An answer without a value says that it is done. */
export interface MainQuestions {
  /** Answer, to show that your loop turns. */
  readonly ping: QuestionKind<null, void>;
  /** Accept by yourself, and hand sockets round robin to these Apps (the fallback acceptor). The answer is the port. */
  readonly listen: QuestionKind<
    { readonly host: string; readonly port: number; readonly apps: readonly unknown[] },
    number
  >;
  /** Accept no more. */
  readonly 'stop-listening': QuestionKind<null, void>;
  /** The App behind `app` is about to close: hand no more connections to it. */
  readonly 'forget-app': QuestionKind<{ readonly app: unknown }, void>;
  /** Take new connections with this certificate. After an error the former one is kept. */
  readonly 'reload-tls': QuestionKind<TlsMaterial, void>;
  /** Empty your spill queue by `deadline` (as `monotonicMs()`). */
  readonly settle: QuestionKind<{ readonly deadline: number }, void>;
}

const untilItsEnd = Number.POSITIVE_INFINITY;

/** Some have no timeout here, because the end of which they are a part has one: see end-shards.ts and retire-shard.ts. */
export const mainQuestionRules: QuestionRules<MainQuestions> = {
  ping: { most: 8, timeoutMs: 5_000 },
  listen: { most: 1, timeoutMs: untilItsEnd },
  'stop-listening': { most: 8, timeoutMs: untilItsEnd },
  // One for each thread that ends, and the policy for restarts bounds how often that is.
  'forget-app': { most: Number.POSITIVE_INFINITY, timeoutMs: untilItsEnd },
  'reload-tls': { most: 8, timeoutMs: 5_000 },
  settle: { most: 8, timeoutMs: untilItsEnd },
};
