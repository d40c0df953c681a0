import type { KeySet } from '../security/index.ts';

/** The engine's keys. Structured-cloneable; nothing here may be logged. */
export interface KeyRing {
  /** The keys that messages are sealed with. Both null: the engine has none. */
  readonly current: KeySet;
  /** Still accepted until `previousUntil` (as `monotonicMs()`), after a rotation. */
  readonly previous: KeySet | null;
  readonly previousUntil: number;
}

export const noKeys: KeyRing = Object.freeze({
  current: Object.freeze({ id: 0, aesKey: null, hmacKey: null }),
  previous: null,
  previousUntil: 0,
});
