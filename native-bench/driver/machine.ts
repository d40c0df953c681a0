import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, release, totalmem, type } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { places } from './places.ts';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryMb: number;
  readonly kernel: string;
}

/** What was measured, and with what. */
export interface Versions {
  readonly node: string;
  readonly shardwire: string;
  readonly uws: string;
  readonly ws: string;
  readonly socketio: string;
  /** Null: it was not there. */
  readonly bun: string | null;
}

export interface Commit {
  readonly hash: string;
  /** Whether files differed from it. */
  readonly isDirty: boolean;
}

const manifest = z.object({ name: z.string(), version: z.string() });

function versionIn(folder: string): z.infer<typeof manifest> {
  return manifest.parse(JSON.parse(readFileSync(join(places.root, folder, 'package.json'), 'utf8')));
}

export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() || 'unknown',
    cores: availableParallelism(),
    memoryMb: Math.round(totalmem() / 1024 / 1024),
    kernel: `${type()} ${release()}`,
  };
}

export function readVersions(bun: string | null): Versions {
  const uws = versionIn('node_modules/uWebSockets.js');
  return {
    node: process.versions.node,
    shardwire: versionIn('.').version,
    uws: `${uws.name} ${uws.version}`,
    ws: versionIn('node_modules/ws').version,
    socketio: versionIn('node_modules/socket.io').version,
    bun,
  };
}

/** Null outside of a checkout. */
export function readCommit(): Commit | null {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: places.root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  try {
    return { hash: git('rev-parse', 'HEAD'), isDirty: git('status', '--porcelain', '--untracked-files=no') !== '' };
  } catch {
    return null;
  }
}
