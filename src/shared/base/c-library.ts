import { createRequire } from 'node:module';

/** A function of the C library; what it takes and gives is in its declaration. */
export type CFunction = (...values: unknown[]) => unknown;

/** `F_DUPFD_CLOEXEC`: the command of `fcntl` that duplicates a descriptor which child processes do not inherit. */
export const duplicateCloseOnExec: Readonly<Partial<Record<NodeJS.Platform, number>>> = { linux: 1030, darwin: 67 };

const names = process.platform === 'darwin' ? ['libSystem.B.dylib'] : ['libc.so.6', 'libc.so'];
const require = createRequire(import.meta.url);

/**
 * The function of this declaration, such as `int getpid()`; null where there is none to be had: on Windows, with an exotic
 * libc, or where not even a library can be opened. The way there is loaded with the first call: most threads need none.
 */
export function cFunction(declaration: string): CFunction | null {
  if (process.platform === 'win32') return null;
  for (const name of names) {
    try {
      const koffi = require('koffi') as typeof import('koffi');
      return koffi.load(name).func(declaration) as CFunction;
    } catch {
      // Not this one.
    }
  }
  return null;
}
