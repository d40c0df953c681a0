import { isIP } from 'node:net';

/** What a load balancer sends ahead of the request (the PROXY protocol of HAProxy, versions 1 and 2). */
export interface ProxyHeader {
  /** Bytes that it takes; 0: there is none. */
  readonly bytes: number;
  /** The client's address; '': it names none. */
  readonly address: string;
}

const signature: Buffer = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
const line: Buffer = Buffer.from('PROXY ');
const prefixBytes = 16;
/** The longest line of version 1, and the longest header of version 2 that is taken: addresses and some TLVs. */
const mostLineBytes = 107;
const mostBytes = 536;
const none: ProxyHeader = { bytes: 0, address: '' };

/**
 * Reads a PROXY header at the beginning of a connection. 'more': more bytes are needed; 'malformed': it is not valid.
 */
export function readProxyHeader(bytes: Buffer): ProxyHeader | 'more' | 'malformed' {
  if (begins(bytes, signature)) return bytes.length < prefixBytes ? 'more' : readBinary(bytes);
  if (begins(bytes, line)) return bytes.length < line.length ? 'more' : readLine(bytes);
  return none;
}

/** Whether the bytes there are may become `start`. */
function begins(bytes: Buffer, start: Buffer): boolean {
  const length = Math.min(bytes.length, start.length);
  return length > 0 && bytes.compare(start, 0, length, 0, length) === 0;
}

function readBinary(bytes: Buffer): ProxyHeader | 'more' | 'malformed' {
  const command = bytes[12] as number;
  const family = bytes[13] as number;
  const length = bytes.readUInt16BE(14);
  const end = prefixBytes + length;
  if (end > mostBytes || (command !== 0x20 && command !== 0x21)) return 'malformed';
  if (bytes.length < end) return 'more';
  // LOCAL: a connection of the load balancer's own, such as a health check.
  if (command === 0x20 || family === 0) return { bytes: end, address: '' };
  if (family >> 4 === 1) {
    if (length < 12) return 'malformed';
    return { bytes: end, address: [...bytes.subarray(prefixBytes, prefixBytes + 4)].join('.') };
  }
  if (family >> 4 === 2) {
    if (length < 36) return 'malformed';
    const words = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(prefixBytes + 2 * i));
    return { bytes: end, address: words.map((word) => word.toString(16).padStart(4, '0')).join(':') };
  }
  return { bytes: end, address: '' };
}

function readLine(bytes: Buffer): ProxyHeader | 'more' | 'malformed' {
  const end = bytes.subarray(0, mostLineBytes).indexOf('\r\n');
  if (end < 0) return bytes.length < mostLineBytes ? 'more' : 'malformed';
  const [, protocol, source = '', target = ''] = bytes.toString('latin1', 0, end).split(' ');
  if (protocol === 'UNKNOWN') return { bytes: end + 2, address: '' };
  const version = protocol === 'TCP4' ? 4 : protocol === 'TCP6' ? 6 : 0;
  if (version === 0 || isIP(source) !== version || isIP(target) !== version) return 'malformed';
  return { bytes: end + 2, address: source };
}
