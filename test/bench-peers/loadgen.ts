import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../../', import.meta.url));

/** Builds the load generator if it is not there. False: this machine has no C++ compiler. */
export function buildLoadgen(): boolean {
  const { status, stderr } = spawnSync('sh', ['native-bench/build-loadgen.sh'], { cwd: root, encoding: 'utf8' });
  if (status === 0) return true;
  if (status === 2) return false;
  throw new Error(`the load generator cannot be built: ${stderr}`);
}
