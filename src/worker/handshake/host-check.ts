import { canonicalAddress } from '../../shared/base/ip-address.ts';
import type { EngineConfig } from '../../shared/config/config.ts';
import type { HttpAnswer, TransportRequest } from '../transport/transport.ts';
import { refusal } from './check-handshake.ts';
import type { Forwarded } from './client-address.ts';

export type HostPolicy = Pick<EngineConfig, 'host' | 'hosts' | 'tls'>;

/** Null: the request is for a host of this server. */
export type CheckHost = (request: TransportRequest, forwarded: Forwarded | null) => HttpAnswer | null;

/** A name or an IPv6 address in brackets, and perhaps a port. No two repeats of it can match the same text. */
const hostForm = /^(\[[0-9a-f:.]+\]|[^:[\]]+)(?::(\d{1,5}))?$/;

function isLoopback(host: string): boolean {
  if (host === 'localhost') return true;
  const address = canonicalAddress(host) ?? '';
  return address === '::1' || address.startsWith('127.');
}

/** Whether a trusted proxy passed the request on. A browser's WebSocket cannot say so. */
function isPassedOn({ headers, proxiedAddress }: TransportRequest, forwarded: Forwarded | null): boolean {
  return (
    forwarded !== null && (proxiedAddress !== '' || headers.has('x-forwarded-for') || headers.has('x-forwarded-host'))
  );
}

/**
 * Checks which `Host` a request may name, because of DNS rebinding. A hostile page can have its own host name resolve
 * to an address where this server listens, even the loopback of its visitor. Its requests are then same-origin. But
 * they still carry the hostile name as `Host`, and the page cannot change that. A request without the header, or with
 * several, comes from no browser, and other checks refuse it.
 */
export function createHostCheck({ host: listening, hosts, tls }: HostPolicy): CheckHost {
  const onLoopback = isLoopback(listening);
  if (hosts === null && !onLoopback) return () => null;
  const listed = new Set(hosts);
  const allowed = [...(onLoopback ? ['localhost', '127.0.0.1', '[::1]'] : []), ...listed].join(', ');
  const text = 'this server does not serve this Host';
  const unknown: HttpAnswer = { ...refusal('ERR_HANDSHAKE_HOST_UNKNOWN', text), allowed };

  const isKnown = (given: string, isHttps: boolean): boolean => {
    const parts = hostForm.exec(given.toLowerCase());
    if (parts === null) return false;
    const [, name = '', port = isHttps ? '443' : '80'] = parts;
    const bare = name.endsWith('.') ? name.slice(0, -1) : name;
    if (listed.has(bare) || listed.has(`${bare}:${port}`)) return true;
    return onLoopback && isLoopback(bare.startsWith('[') ? bare.slice(1, -1) : bare);
  };

  return (request, forwarded) => {
    const passedOn = isPassedOn(request, forwarded);
    if (passedOn && hosts === null) return null;
    const given = (passedOn ? forwarded?.host : null) ?? request.headers.get('host');
    if (given === undefined || given.includes(',')) return null;
    const scheme = passedOn ? (forwarded?.scheme ?? null) : null;
    return isKnown(given, scheme === null ? tls !== null : scheme === 'https') ? null : unknown;
  };
}
