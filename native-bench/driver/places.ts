import { fileURLToPath } from 'node:url';

/** Where things are, seen from `build/native-bench/driver`. */
const root = new URL('../../../', import.meta.url);

function at(path: string): string {
  return fileURLToPath(new URL(path, root));
}

export interface Places {
  readonly root: string;
  readonly peers: string;
  readonly loadgen: string;
  readonly bun: string;
  readonly results: string;
  readonly docs: string;
}

export const places: Places = {
  root: at('.'),
  peers: at('build/native-bench/peers/'),
  loadgen: at('build/native-bench/loadgen'),
  bun: at('build/native-bench/bun/'),
  results: at('native-bench/results/'),
  docs: at('docs/benchmarks.md'),
};
