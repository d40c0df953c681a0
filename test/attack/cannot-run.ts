import { spawnSync } from 'node:child_process';
import type { Attack } from './attack.ts';

/** Why an attack cannot be run on this machine; null: it can. */
export function cannotRun({ surroundings }: Attack): string | null {
  if (surroundings === undefined) return null;
  if (process.platform !== 'linux') return 'only on Linux';
  if (surroundings.sharedMemoryBytes === undefined) return null;
  const { status } = spawnSync('unshare', ['-m', 'sh', '-c', 'mount -t tmpfs -o size=16k tmpfs /dev/shm']);
  return status === 0 ? null : 'a /dev/shm of its own takes the rights of root';
}
