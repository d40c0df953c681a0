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

/** The client, as far as the proxies before it are trusted. */
export interface ClientOrigin {
  /** In its canonical spelling. */
  readonly address: string;
  /** Null: the peer is no trusted proxy. */
  readonly forwarded: Forwarded | null;
}

export type FindClient = (request: TransportRequest) => ClientOrigin;

/**
 * `X-Forwarded-For` may carry ports: `203.0.113.7:4711`, `[2001:db8::1]:4711`. Linear: the pattern begins at one place,
 * and no repeat can match the character behind it.
 */
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

/** Addresses from the peer back to the alleged client. */
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
 * Finds the client's address as the option `trustProxy` says. A value that is no address is ignored: then the address
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
      // The first untrusted address, going back from the peer: it may have forged everything before it.
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
