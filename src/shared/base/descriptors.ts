import type { Server, Socket } from 'node:net';
import { cFunction } from './c-library.ts';

/** Duplicates a file descriptor; a result below 0: it failed. */
export type Duplicate = (descriptor: number) => number;

/** `F_DUPFD_CLOEXEC`: the command of `fcntl` that duplicates a descriptor which child processes do not inherit. */
const duplicateCloseOnExec: Readonly<Partial<Record<NodeJS.Platform, number>>> = { linux: 1030, darwin: 67 };

/** Duplication by the C library; null where it is not available (Windows, an unusual libc). */
export function findDuplicate(): Duplicate | null {
  const command = duplicateCloseOnExec[process.platform];
  const fcntl = command === undefined ? null : cFunction('int fcntl(int, int, ...)');
  if (fcntl === null) return null;
  return (descriptor) => fcntl(descriptor, command, 'int', 0) as number;
}

/** The descriptor of a socket. Node has no public name for it; -1 where it is not visible. */
export function descriptorOf(socket: Socket | Server): number {
  const handle: unknown = Reflect.get(socket, '_handle');
  if (typeof handle !== 'object' || handle === null) return -1;
  const descriptor: unknown = Reflect.get(handle, 'fd');
  return typeof descriptor === 'number' ? descriptor : -1;
}
