import { execFile } from 'node:child_process';
import { access, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { places } from './places.ts';

/** The one version that is measured. */
export const bunVersion = '1.4.5';

const run = promisify(execFile);

export type BunRuntime =
  | { readonly path: string; readonly reason: null }
  | { readonly path: null; readonly reason: string };

async function versionOf(path: string): Promise<string | null> {
  try {
    await access(path);
    return (await run(path, ['--version'], { timeout: 20_000 })).stdout.trim();
  } catch {
    return null;
  }
}

/**
 * Bun's binary, fetched from the npm registry into the build folder if it is not there yet. It is no dependency of the
 * package: a machine without the registry measures without it.
 */
export async function fetchBun(): Promise<BunRuntime> {
  const path = join(places.bun, 'node_modules', '.bin', 'bun');
  if ((await versionOf(path)) === bunVersion) return { path, reason: null };
  try {
    await mkdir(places.bun, { recursive: true });
    const args = ['install', '--prefix', places.bun, '--no-save', '--no-package-lock', '--no-audit', '--no-fund'];
    await run('npm', [...args, `bun@${bunVersion}`], { cwd: places.bun, timeout: 120_000 });
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return { path: null, reason: `bun@${bunVersion} could not be fetched: ${text.split('\n')[0]}` };
  }
  const found = await versionOf(path);
  if (found === bunVersion) return { path, reason: null };
  return { path: null, reason: `bun@${bunVersion} was fetched and does not run here` };
}
