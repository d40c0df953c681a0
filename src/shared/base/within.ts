import { setTimeout as sleep } from 'node:timers/promises';

/** Resolves once `timeoutMs` are over, by whatever clock, or `signal` is aborted. Never rejects. */
export type PassTime = (timeoutMs: number, signal: AbortSignal) => Promise<void>;

async function passRealTime(timeoutMs: number, signal: AbortSignal): Promise<void> {
  await sleep(timeoutMs, undefined, { signal }).catch(() => undefined);
}

/**
 * What `done` comes to, or null if it has not within `timeoutMs`. Rejects if `done` does so in time. Leaves no timer
 * behind; until then its timer keeps the process.
 */
export async function within<T>(
  done: Promise<T>,
  timeoutMs: number,
  passTime: PassTime = passRealTime,
): Promise<{ readonly value: T } | null> {
  const timer = new AbortController();
  const late = passTime(timeoutMs, timer.signal).then(() => null);
  try {
    return await Promise.race([done.then((value) => ({ value })), late]);
  } finally {
    timer.abort();
  }
}
