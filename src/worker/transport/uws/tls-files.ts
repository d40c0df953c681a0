import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cFunction } from '../../../shared/base/c-library.ts';
import type { TlsMaterial } from '../../../shared/config/tls.ts';
import { errorCode, errorText } from '../../../shared/errors/index.ts';

export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  readonly ca: string | null;
}

/** A place for a few texts where a library can read them as files. */
export interface TlsPlace {
  /** Name for the log. */
  readonly name: string;
  /** The paths of the texts, in their order. Throws, and leaves nothing behind then. */
  put(texts: readonly string[]): LentFiles;
}

export interface LentFiles {
  readonly paths: readonly string[];
  remove(): void;
}

const closeOnExec = 1;

/** Unnamed files in memory (Linux). No other process can open them, and no file system is needed. */
const anonymous: TlsPlace = {
  name: 'memory',
  put(texts) {
    const create = cFunction('int memfd_create(const char *, unsigned int)');
    // The C library's close, because Node's warns in a worker thread about descriptors that it has not opened.
    const close = cFunction('int close(int)');
    if (create === null || close === null) throw new Error('memfd_create is not there');
    const descriptors: number[] = [];
    const remove = (): void => {
      for (const descriptor of descriptors) close(descriptor);
    };
    try {
      const paths = texts.map((text) => {
        const descriptor = Number(create('shardwire-tls', closeOnExec));
        if (descriptor < 0) throw new Error('memfd_create failed');
        descriptors.push(descriptor);
        writeFileSync(descriptor, text);
        const path = `/proc/self/fd/${descriptor}`;
        // Useless without /proc, or in a process that may not read its own entry there.
        closeSync(openSync(path, 'r'));
        return path;
      });
      return { paths, remove };
    } catch (error) {
      remove();
      throw error;
    }
  },
};

/** A new folder that only this user may read. */
function folderIn(parent: string): TlsPlace {
  return {
    name: parent,
    put(texts) {
      const folder = mkdtempSync(join(parent, 'shardwire-tls-'));
      const remove = (): void => rmSync(folder, { recursive: true, force: true });
      try {
        const paths = texts.map((text, place) => {
          const path = join(folder, `${place}.pem`);
          writeFileSync(path, text, { mode: 0o600, flag: 'wx' });
          return path;
        });
        return { paths, remove };
      } catch (error) {
        remove();
        throw error;
      }
    },
  };
}

/** The places in the order in which they are tried: memory first, disk last. */
export function tlsPlaces(): readonly TlsPlace[] {
  const runtime = process.env['XDG_RUNTIME_DIR'] ?? '';
  const folders = [...(runtime === '' ? [] : [runtime]), tmpdir()];
  if (process.platform !== 'linux') return folders.map(folderIn);
  return [anonymous, ...['/dev/shm', ...folders].map(folderIn)];
}

function put(texts: readonly string[], places: readonly TlsPlace[]): LentFiles {
  const tried: string[] = [];
  for (const place of places) {
    try {
      return place.put(texts);
    } catch (error) {
      tried.push(`${place.name} (${errorCode(error) ?? errorText(error)})`);
    }
  }
  throw new Error(`the socket library reads them from files, and there is no place for any: tried ${tried.join(', ')}`);
}

/**
 * Gives the material to `use` as files, for a library that accepts nothing else, and removes them before it returns.
 * Throws what `use` throws, or an error that names every place that was tried. The key in the files is encrypted with a
 * passphrase that exists in memory only: if the process dies here, the files left behind are useless.
 */
export function withTlsFiles<T>(
  material: TlsMaterial,
  use: (files: TlsFiles) => T,
  places: readonly TlsPlace[] = tlsPlaces(),
): T {
  const { cert, key, ca } = material;
  const files = put(ca === null ? [cert, key] : [cert, key, ca], places);
  try {
    const [certPath = '', keyPath = '', caPath = null] = files.paths;
    return use({ cert: certPath, key: keyPath, ca: caPath });
  } finally {
    files.remove();
  }
}
