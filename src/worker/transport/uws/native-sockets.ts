import koffi from 'koffi';
import { canonicalAddress } from '../../../shared/base/ip-address.ts';

/** The identity of a TCP socket of this process, also after its descriptor number is used again. */
export interface SocketIdentity {
  /** The kernel's cookie of the socket, which is unique on this machine. */
  readonly cookie: number;
  /** The peer's address in its canonical spelling; '': there is none any more. */
  readonly peer: string;
  readonly localPort: number;
}

/** The state of a socket in the kernel. 'ending': our FIN is sent or queued, and the peer has not closed its side. */
export type SocketPhase = 'gone' | 'open' | 'ending';

/** Facts from the C library and libuv about the sockets of a thread. Linux only. */
export interface NativeSockets {
  /** Null: this descriptor is no TCP socket. */
  identify(descriptor: number): SocketIdentity | null;
  /** 'gone': the descriptor is free or belongs to another socket. */
  phase(descriptor: number, cookie: number): SocketPhase;
  /**
   * Shuts the socket down, so that its reader finds the end of the stream. Call it only right after checking that the
   * descriptor is this socket's.
   */
  endReading(descriptor: number): void;
  /** The descriptors of all sockets that the socket library has in this thread's loop. */
  descriptors(): readonly number[];
}

const solSocket = 1;
const soCookie = 57;
const protocolTcp = 6;
const tcpInfo = 11;
const shutRead = 0;
/** FIN_WAIT1, FIN_WAIT2, LAST_ACK and CLOSING of the kernel's list of states. */
const endingStates = [4, 5, 9, 11];
const familyIPv4 = 2;
const familyIPv6 = 10;
const addressBytes = 28;
/** UV_POLL of libuv, the only kind of handle that the socket library makes. */
const pollHandle = 8;
/** Byte order of numbers that the kernel writes. */
const littleEndian = true;

type Call = (...parameters: unknown[]) => unknown;

function addressOf(bytes: DataView): string {
  const family = bytes.getUint16(0, littleEndian);
  if (family === familyIPv4) {
    return `${bytes.getUint8(4)}.${bytes.getUint8(5)}.${bytes.getUint8(6)}.${bytes.getUint8(7)}`;
  }
  if (family !== familyIPv6) return '';
  const words: string[] = [];
  for (let at = 8; at < 24; at += 2) words.push(bytes.getUint16(at).toString(16));
  return canonicalAddress(words.join(':')) ?? '';
}

class LinuxSockets implements NativeSockets {
  readonly #getsockopt: Call;
  readonly #getpeername: Call;
  readonly #getsockname: Call;
  readonly #shutdown: Call;
  readonly #walk: Call;
  readonly #fileno: Call;
  readonly #handleType: Call;
  readonly #loop: unknown;
  readonly #option = new Uint8Array(8);
  readonly #optionView = new DataView(this.#option.buffer);
  readonly #address = new Uint8Array(addressBytes);
  readonly #addressView = new DataView(this.#address.buffer);
  readonly #length: [number] = [0];

  /** Throws if one of the functions is not available. */
  constructor() {
    const library = koffi.load(null);
    this.#getsockopt = library.func('int getsockopt(int, int, int, _Out_ uint8_t *, _Inout_ uint32_t *)');
    this.#getpeername = library.func('int getpeername(int, _Out_ uint8_t *, _Inout_ uint32_t *)');
    this.#getsockname = library.func('int getsockname(int, _Out_ uint8_t *, _Inout_ uint32_t *)');
    this.#shutdown = library.func('int shutdown(int, int)');
    const visit = koffi.pointer(koffi.proto('void (void *, void *)'));
    this.#walk = library.func('uv_walk', 'void', ['void *', visit, 'void *']);
    this.#fileno = library.func('int uv_fileno(void *, _Out_ int *)');
    this.#handleType = library.func('int uv_handle_get_type(void *)');
    // v8::Isolate::GetCurrent() and node::GetCurrentEventLoop(isolate), which Node exports to addons.
    const isolate: unknown = library.func('void *_ZN2v87Isolate10GetCurrentEv()')();
    this.#loop = library.func('void *_ZN4node19GetCurrentEventLoopEPN2v87IsolateE(void *)')(isolate);
    if (this.#loop === null) throw new Error('this thread has no loop');
  }

  identify(descriptor: number): SocketIdentity | null {
    const cookie = this.#cookie(descriptor);
    if (cookie < 0 || this.#state(descriptor) < 0) return null;
    const peer = this.#name(this.#getpeername, descriptor) ? addressOf(this.#addressView) : '';
    const localPort = this.#name(this.#getsockname, descriptor) ? this.#addressView.getUint16(2) : 0;
    return { cookie, peer, localPort };
  }

  phase(descriptor: number, cookie: number): SocketPhase {
    if (this.#cookie(descriptor) !== cookie) return 'gone';
    return endingStates.includes(this.#state(descriptor)) ? 'ending' : 'open';
  }

  endReading(descriptor: number): void {
    this.#shutdown(descriptor, shutRead);
  }

  descriptors(): readonly number[] {
    const found: number[] = [];
    const out: [number] = [-1];
    const visit = (handle: unknown): void => {
      if (this.#handleType(handle) === pollHandle && this.#fileno(handle, out) === 0) found.push(out[0]);
    };
    this.#walk(this.#loop, visit, null);
    return found;
  }

  /** A result below 0: there is no such socket. */
  #cookie(descriptor: number): number {
    this.#length[0] = 8;
    if (this.#getsockopt(descriptor, solSocket, soCookie, this.#option, this.#length) !== 0) return -1;
    return this.#optionView.getUint32(4, littleEndian) * 4_294_967_296 + this.#optionView.getUint32(0, littleEndian);
  }

  /** The first byte of TCP_INFO; a result below 0: it is no TCP socket. */
  #state(descriptor: number): number {
    this.#length[0] = 8;
    if (this.#getsockopt(descriptor, protocolTcp, tcpInfo, this.#option, this.#length) !== 0) return -1;
    return this.#optionView.getUint8(0);
  }

  #name(call: Call, descriptor: number): boolean {
    this.#length[0] = addressBytes;
    return call(descriptor, this.#address, this.#length) === 0;
  }
}

/**
 * For the calling thread. Null where sockets cannot be inspected (another system than Linux, an unusual build of Node).
 */
export function findNativeSockets(): NativeSockets | null {
  if (process.platform !== 'linux') return null;
  try {
    return new LinuxSockets();
  } catch {
    return null;
  }
}
