import { cFunction } from '../../../shared/base/c-library.ts';

/** Writes to a socket at once: how many bytes it took, or below 0 where the system took none (or the socket is broken). */
export type NativeSend = (descriptor: number, bytes: Uint8Array) => number;

/** `MSG_DONTWAIT | MSG_NOSIGNAL`. */
const flags: Readonly<Partial<Record<NodeJS.Platform, number>>> = { linux: 0x40 | 0x4000 };

/**
 * `send(2)`, past libuv: a write costs a fraction of one through a stream. Null where the C library cannot be called; then
 * everything goes through streams.
 */
export function findNativeSend(): NativeSend | null {
  const given = flags[process.platform];
  const send = given === undefined ? null : cFunction('long send(int, const void *, unsigned long, int)');
  if (send === null) return null;
  return (descriptor, bytes) => Number(send(descriptor, bytes, bytes.length, given));
}
