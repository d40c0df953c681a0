import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TlsMaterial } from '../../shared/tls.ts';

export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  readonly ca: string | null;
}

/** A new folder that only this user may look into; in memory where the system offers that, else on disk. */
function privateFolder(): string {
  const name = 'shardwire-tls-';
  if (process.platform === 'linux') {
    try {
      return mkdtempSync(join('/dev/shm', name));
    } catch {
      // Not there, or not for us.
    }
  }
  return mkdtempSync(join(tmpdir(), name));
}

/**
 * Lends the material as files, for a library that takes nothing else, and removes them before it returns. The key in
 * them is encrypted with a passphrase that is in memory only: should the process die right here, what it leaves is of
 * no use.
 */
export function withTlsFiles<T>(material: TlsMaterial, use: (files: TlsFiles) => T): T {
  const folder = privateFolder();
  const put = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text, { mode: 0o600, flag: 'wx' });
    return path;
  };
  try {
    const ca = material.ca === null ? null : put('ca.pem', material.ca);
    return use({ cert: put('cert.pem', material.cert), key: put('key.pem', material.key), ca });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
