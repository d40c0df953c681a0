import assert from 'node:assert/strict';
import { readdirSync, readlinkSync } from 'node:fs';
import { type Engine, type EngineOptions, startEngine } from '#dist/main/index.js';
import { terminateClients } from './client.ts';
import { destroyRawSockets } from './raw-socket.ts';
import { terminateSealedClients } from './sealed-client.ts';
import { pause } from './waiting.ts';

/** What is open in this process, by kind. */
export type OpenResources = ReadonlyMap<string, number>;

const settleMs = 30_000;

/** Sockets of a process, of all its threads; a duplicated descriptor is seen nowhere else. Linux only, elsewhere none. */
export function socketDescriptors(pid: number | 'self' = 'self'): number {
  let names: readonly string[];
  try {
    names = readdirSync(`/proc/${pid}/fd`);
  } catch {
    return 0;
  }
  return names.filter((name) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${name}`).startsWith('socket:');
    } catch {
      // It was closed meanwhile, such as that of the directory itself.
      return false;
    }
  }).length;
}

export function openResources(): OpenResources {
  const counts = new Map<string, number>();
  // Standard output is opened at its first use.
  const kinds = process.getActiveResourcesInfo().filter((kind) => kind !== 'PipeWrap' && kind !== 'TTYWrap');
  for (const kind of kinds) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  counts.set('exit listener', process.listenerCount('exit'));
  counts.set('socket descriptor', socketDescriptors());
  return counts;
}

function growth(before: OpenResources): string[] {
  const now = openResources();
  return [...now]
    .filter(([kind, count]) => count > (before.get(kind) ?? 0))
    .map(([kind, count]) => `${kind}: ${before.get(kind) ?? 0} before, ${count} after`);
}

/** Fails if there is more of anything than before, once it had a moment to go. */
export async function assertNothingLeft(before: OpenResources): Promise<void> {
  const deadline = performance.now() + settleMs;
  let left = growth(before);
  while (left.length > 0 && performance.now() < deadline) {
    // A timer that fires is no longer active when the next line looks.
    await pause(10);
    left = growth(before);
  }
  assert.deepEqual(left, [], 'something is left open');
}

/**
 * Starts an engine on a free port of this machine's loopback, lends it, closes it, ends the clients of this process,
 * and fails if a thread, server, socket, port or timer is left.
 */
export async function withEngine<T>(options: EngineOptions, use: (engine: Engine) => T | Promise<T>): Promise<T> {
  const before = openResources();
  const engine = await startEngine({ shards: 2, host: '127.0.0.1', port: 0, startTimeoutMs: 120_000, ...options });
  let result: T;
  try {
    result = await use(engine);
    await engine.close();
  } catch (error) {
    await engine.close().catch(() => undefined);
    throw error;
  } finally {
    terminateClients();
    terminateSealedClients();
    destroyRawSockets();
  }
  await assertNothingLeft(before);
  return result;
}
