import { setTimeout as sleep } from 'node:timers/promises';

const sliceMs = 50;

/**
 * Resolves after `timeoutMs` in which this thread could run, or once `signal` is aborted. While the whole process is
 * held up (its machine is suspended, or its processors run others), other threads cannot answer either: such time
 * counts for two slices at most.
 */
export async function timeToRun(timeoutMs: number, signal: AbortSignal): Promise<void> {
  let leftMs = timeoutMs;
  while (!signal.aborted) {
    const began = performance.now();
    try {
      await sleep(Math.min(sliceMs, Math.max(0, leftMs)), undefined, { signal });
    } catch {
      // Aborted.
      return;
    }
    leftMs -= Math.min(performance.now() - began, 2 * sliceMs);
    if (leftMs <= 0) return;
  }
}
