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

/** Somewhere to put a few texts where a library can read them as files. */
export interface TlsPlace {
  /** For the log. */
  readonly name: string;
  /** The paths of the texts, in their order. Throws, and has left nothing behind then. */
  put(texts: readonly string[]): LentFiles;
}

export interface LentFiles {
  readonly paths: readonly string[];
  remove(): void;
}

const closeOnExec = 1;

/** Files without a name, in memory (Linux). Nobody else can open them, no file system can be full, and none need be there. */
const anonymous: TlsPlace = {
  name: 'memory',
  put(texts) {
    const create = cFunction('int memfd_create(const char *, unsigned int)');
    // Not Node's: in a worker thread it warns of descriptors that it has not opened.
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
        // Without /proc, or in a process that may not look at itself there, it is of no use.
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

/** A new folder that only this user may look into. */
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

/** In memory first, on disk last: where they may be, in the order in which they are tried. */
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
 * Lends the material as files, for a library that takes nothing else, and removes them before it returns. Throws what
 * `use` throws, or an error that names every place that was tried. The key in them is encrypted with a passphrase that is
 * in memory only: should the process die right here, what it leaves is of no use.
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
