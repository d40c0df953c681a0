import { createRequire } from 'node:module';

/** A function of the C library. Its declaration says what it takes and returns. */
export type CFunction = (...values: unknown[]) => unknown;

const names = process.platform === 'darwin' ? ['libSystem.B.dylib'] : ['libc.so.6', 'libc.so'];
const require = createRequire(import.meta.url);

/**
 * The function with this declaration, such as `int getpid()`. Null if it is not available: on Windows, with an unusual
 * libc, or where no library can be opened. koffi is loaded with the first call, because most threads need none.
 */
export function cFunction(declaration: string): CFunction | null {
  if (process.platform === 'win32') return null;
  for (const name of names) {
    try {
      const koffi = require('koffi') as typeof import('koffi');
      return koffi.load(name).func(declaration) as CFunction;
    } catch {
      // This library has no such function, or is not there.
    }
  }
  return null;
}
