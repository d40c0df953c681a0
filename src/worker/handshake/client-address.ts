import { BlockList, isIPv4, isIPv6 } from 'node:net';
import { canonicalAddress } from '../../shared/base/ip-address.ts';
import type { EngineConfig } from '../../shared/config/config.ts';
import type { TransportRequest } from '../transport/transport.ts';

/** What a trusted proxy says of the request that it received. */
export interface Forwarded {
  /** Host, with the port if there was one; null: not told. */
  readonly host: string | null;
  /** Null: not told. */
  readonly scheme: 'http' | 'https' | null;
}

/** Who is at the other end, as far as the proxies in between are trusted. */
export interface ClientOrigin {
  /** In its canonical spelling. */
  readonly address: string;
  /** Null: the peer is no trusted proxy. */
  readonly forwarded: Forwarded | null;
}

export type FindClient = (request: TransportRequest) => ClientOrigin;

/** Linear: begins at one place, and neither repeat can take what ends it. `X-Forwarded-For` may carry ports: `203.0.113.7:4711`, `[2001:db8::1]:4711`. */
const withPort = /^(?:\[([^\]]*)\]|([^:]*))(?::\d{1,5})?$/;

function parseHop(text: string): string | null {
  const parts = withPort.exec(text);
  return canonicalAddress(parts?.[1] ?? parts?.[2] ?? text);
}

function first(list: string | undefined): string | null {
  const [value = ''] = (list ?? '').split(',', 1);
  return value.trim() || null;
}

function forwardedOf({ headers }: TransportRequest): Forwarded {
  const proto = first(headers.get('x-forwarded-proto'))?.toLowerCase();
  const scheme = proto === 'https' || proto === 'wss' ? 'https' : proto === 'http' || proto === 'ws' ? 'http' : null;
  return { host: first(headers.get('x-forwarded-host')), scheme };
}

/** The peer first, then those before it, back to the one that is said to be the client. */
function hopsOf(request: TransportRequest, peer: string): string[] {
  const hops = [peer];
  if (request.proxiedAddress !== '') hops.push(request.proxiedAddress);
  const list = request.headers.get('x-forwarded-for');
  if (list !== undefined) hops.push(...list.split(',').reverse());
  return hops;
}

function listed(networks: readonly string[]): (address: string) => boolean {
  const list = new BlockList();
  for (const network of networks) {
    const [address = '', prefix] = network.split('/');
    const family = isIPv4(address) ? 'ipv4' : 'ipv6';
    if (prefix === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(prefix), family);
  }
  return (address) => list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}

/**
 * Finds the client's address as the option `trustProxy` says. What cannot be read as an address is not believed: then it
 * is the peer's.
 */
export function createFindClient(trustProxy: EngineConfig['trustProxy']): FindClient {
  const peerOf = (request: TransportRequest): string =>
    canonicalAddress(request.remoteAddress) ?? request.remoteAddress;
  if (trustProxy === false || trustProxy === 0) {
    return (request) => ({ address: peerOf(request), forwarded: null });
  }
  if (typeof trustProxy === 'object') {
    const isTrusted = listed(trustProxy);
    return (request) => {
      const peer = peerOf(request);
      if (!isTrusted(peer)) return { address: peer, forwarded: null };
      let address: string | null = peer;
      // The first that is not trusted, coming from here: whatever stands before it may be made up.
      for (const hop of hopsOf(request, peer)) {
        address = parseHop(hop.trim());
        if (address === null || !isTrusted(address)) break;
      }
      return { address: address ?? peer, forwarded: forwardedOf(request) };
    };
  }
  const trustedHops = trustProxy === true ? Infinity : trustProxy;
  return (request) => {
    const peer = peerOf(request);
    const hops = hopsOf(request, peer);
    const hop = hops[Math.min(trustedHops, hops.length - 1)] ?? peer;
    return { address: parseHop(hop.trim()) ?? peer, forwarded: forwardedOf(request) };
  };
}
