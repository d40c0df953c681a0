import { readdirSync } from 'node:fs';
import { cFunction } from '../../shared/base/c-library.ts';

/**
 * The socket library reads up to 512 KiB at once, and reads the same socket again while its reads are full. With a
 * smaller buffer in the kernel, a read is never full, so other sockets get their turn. The kernel doubles the number
 * for its own bookkeeping and then no longer lets the buffer grow: one client can send about this much per round trip.
 */
const receiveBufferBytes = 131_072;

interface SocketCalls {
  setsockopt(descriptor: number, level: number, name: number, value: number[], length: number): number;
  getsockopt(descriptor: number, level: number, name: number, value: number[], length: number[]): number;
  getsockname(descriptor: number, address: Uint8Array, length: number[]): number;
}

interface Names {
  readonly level: number;
  readonly receiveBuffer: number;
  readonly isListening: number;
}

const names: Readonly<Partial<Record<NodeJS.Platform, Names>>> = {
  linux: { level: 1, receiveBuffer: 8, isListening: 30 },
  darwin: { level: 0xffff, receiveBuffer: 0x1002, isListening: 0x0002 },
};
const numberBytes = 4;
const addressBytes = 128;

function findCalls(): SocketCalls | null {
  const setsockopt = cFunction('int setsockopt(int, int, int, const int *, uint32_t)');
  const getsockopt = cFunction('int getsockopt(int, int, int, _Out_ int *, _Inout_ uint32_t *)');
  const getsockname = cFunction('int getsockname(int, _Out_ uint8_t *, _Inout_ uint32_t *)');
  if (setsockopt === null || getsockopt === null || getsockname === null) return null;
  return { setsockopt, getsockopt, getsockname } as SocketCalls;
}

/**
 * Sets the buffer for connections that this listening socket accepts from now on. False: it cannot be set on this
 * system.
 */
export function boundReceiveBuffer(descriptor: number): boolean {
  const platform = names[process.platform];
  const calls = platform === undefined ? null : findCalls();
  if (platform === undefined || calls === null || descriptor < 0) return false;
  return calls.setsockopt(descriptor, platform.level, platform.receiveBuffer, [receiveBufferBytes], numberBytes) === 0;
}

/**
 * The same for each socket of this process that listens on `port`: the socket library does not reveal the descriptor of
 * its listener.
 */
export function boundReceiveBuffersOf(port: number): boolean {
  const platform = names[process.platform];
  const calls = platform === undefined ? null : findCalls();
  if (platform === undefined || calls === null) return false;
  let isBound = false;
  for (const name of readDescriptors()) {
    const descriptor = Number(name);
    const listens = [0];
    if (calls.getsockopt(descriptor, platform.level, platform.isListening, listens, [numberBytes]) !== 0) continue;
    const address = new Uint8Array(addressBytes);
    if (listens[0] === 0 || calls.getsockname(descriptor, address, [addressBytes]) !== 0) continue;
    // The port is at the same offset in IPv4 and IPv6 addresses.
    if (((address[2] as number) << 8) + (address[3] as number) !== port) continue;
    isBound = boundReceiveBuffer(descriptor) || isBound;
  }
  return isBound;
}

function readDescriptors(): string[] {
  try {
    return readdirSync('/dev/fd');
  } catch {
    // For example, no descriptor is left.
    return [];
  }
}
