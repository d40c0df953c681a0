import { type Codec, type CodecName, codecByName } from '../../shared/codec/index.ts';
import type { EngineConfig } from '../../shared/config/config.ts';
import { type ErrorCode, errorTable } from '../../shared/errors/index.ts';
import { hasItem, hasToken, isHandshakeKey, splitList } from '../../shared/http/index.ts';
import { decodeClientNonce } from '../../shared/security/index.ts';
import type { SealForm } from '../connection/variants.ts';
import type { HttpAnswer, TransportRequest } from '../transport/transport.ts';
import type { Forwarded } from './client-address.ts';

/** What a good handshake settles. */
export interface Handshake {
  readonly codec: Codec;
  /** To echo as `Sec-WebSocket-Protocol`; null: the client offered none. */
  readonly subprotocol: string | null;
  /** The client's own id, '' if it gave none. */
  readonly name: string;
  readonly sealing: SealForm;
  /** The client's random bytes for `seal3` and `seal2`, else null. */
  readonly clientNonce: Uint8Array | null;
}

/** The part of the configuration that decides about handshakes. */
export type HandshakePolicy = Pick<
  EngineConfig,
  'path' | 'subprotocols' | 'unknownSubprotocol' | 'origins' | 'security' | 'tls'
>;

export type HandshakeVerdict =
  | { readonly ok: true; readonly handshake: Handshake }
  | { readonly ok: false; readonly answer: HttpAnswer };

/** Of a client's name, in UTF-16 code units. */
export const maxNameLength = 128;

/** The answer with the status that the table of errors has for the code, or with another one. */
export function refusal(
  code: ErrorCode,
  text: string,
  extra: readonly (readonly [string, string])[] = [],
  status: number = errorTable[code].status ?? 500,
): HttpAnswer {
  const headers = new Map<string, string>([['Content-Type', 'text/plain; charset=utf-8'], ...extra]);
  return { status, headers, body: `${code}: ${text}\n`, code };
}

function refuse(...parts: Parameters<typeof refusal>): HandshakeVerdict {
  return { ok: false, answer: refusal(...parts) };
}

function isAscii(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 126) return false;
  return true;
}

/** Names in the client's order. */
export function offeredSubprotocols({ headers }: TransportRequest): readonly string[] {
  const list = headers.get('sec-websocket-protocol');
  return list === undefined ? [] : splitList(list);
}

/**
 * The socket library also accepts clients that show no certificate although they were asked for one. An engine that
 * asks for certificates refuses them, whatever they request. Null: nothing to refuse.
 */
export function certificateRefusal({ clientCertificate }: TransportRequest): HttpAnswer | null {
  if (clientCertificate !== '') return null;
  return refusal('ERR_HANDSHAKE_CERTIFICATE', 'this server requires a client certificate');
}

/**
 * The length of `https://`, a host name of 253 characters and a port. No real origin is longer, and parsing a host
 * takes quadratic time in its characters beyond ASCII.
 */
const longestOrigin = 267;

/**
 * Same-origin: the Origin's host and port are those of the Host header. With TLS the scheme must be https. Without TLS
 * both schemes are allowed, because TLS may have ended at a proxy. Behind a trusted proxy, host and scheme are those of
 * the request that the proxy received.
 */
export function isOriginAllowed(
  headers: ReadonlyMap<string, string>,
  origins: EngineConfig['origins'],
  forwarded: Forwarded | null = null,
  isTls = false,
): boolean {
  const origin = headers.get('origin');
  // Programs send none; a browser always does.
  if (origin === undefined || origins === '*') return true;
  if (origins !== 'same-origin') return origins.includes(origin.toLowerCase());
  const host = forwarded?.host ?? headers.get('host');
  if (host === undefined || Math.max(origin.length, host.length) > longestOrigin || !URL.canParse(origin)) return false;
  const { protocol, host: originHost } = new URL(origin);
  // `file://` has no host, and that of `capacitor://localhost` is the app's: neither page came from this server.
  if (protocol !== 'http:' && protocol !== 'https:') return false;
  const scheme = forwarded?.scheme ?? (isTls ? 'https' : null);
  if (scheme !== null && protocol !== `${scheme}:`) return false;
  // URL drops a scheme's default port; do likewise with the Host header.
  return URL.canParse(`${protocol}//${host}`) && new URL(`${protocol}//${host}`).host === originHost;
}

interface Choice {
  readonly codec: Codec;
  readonly sealing: SealForm;
  readonly echo: string | null;
}

/**
 * Whether the policy offers this codec in version 1. A sealed message of version 1 does not say which codec it is in,
 * and one recorded in MessagePack may be another message in Protobuf. So with the engine's keys only one codec is
 * offered in version 1.
 */
function hasVersion1({ security, subprotocols }: HandshakePolicy, codec: CodecName): boolean {
  if (security === null) return true;
  if (security.replayProtection === 'required') return false;
  return !security.isKeyed || security.forgeable.includes('codecs') || subprotocols[0] === codec;
}

/** The forms that the policy knows for a codec, the best first. */
function sealingsOf(policy: HandshakePolicy, codec: CodecName): readonly SealForm[] {
  const { security } = policy;
  if (security === null) return ['classic'];
  const { replayProtection, compress, forgeable } = security;
  const sealings: SealForm[] = [];
  if (replayProtection !== 'off') {
    sealings.push('seal3');
    if (forgeable.includes('seal2')) sealings.push('seal2');
  }
  if (compress !== null && replayProtection !== 'required') {
    sealings.push('deflate2');
    if (forgeable.includes('deflate')) sealings.push('deflate');
  }
  if (hasVersion1(policy, codec)) sealings.push('classic');
  return sealings;
}

function subprotocolName(codec: CodecName, sealing: SealForm): string {
  return sealing === 'classic' ? codec : `${codec}+${sealing}`;
}

interface KnownSubprotocol {
  readonly name: string;
  readonly codec: CodecName;
  readonly sealing: SealForm;
}

/** Worked out once per policy, not once per handshake. A policy is frozen. */
const knownByPolicy = new WeakMap<HandshakePolicy, readonly KnownSubprotocol[]>();

/** Every subprotocol that the policy knows, the server's favourite first. */
function knownSubprotocols(policy: HandshakePolicy): readonly KnownSubprotocol[] {
  let known = knownByPolicy.get(policy);
  if (known === undefined) {
    known = policy.subprotocols.flatMap((codec) =>
      sealingsOf(policy, codec).map((sealing) => ({ name: subprotocolName(codec, sealing), codec, sealing })),
    );
    knownByPolicy.set(policy, known);
  }
  return known;
}

/**
 * The server's preference among what the client offers. Names are exact: a client
 * that offered `JSON` would refuse the echo `json`.
 */
function negotiate(offered: string | undefined, policy: HandshakePolicy): Choice | null {
  if (offered !== undefined) {
    for (const { name, codec: codecName, sealing } of knownSubprotocols(policy)) {
      const codec = codecByName(codecName);
      if (codec !== undefined && hasItem(offered, name)) return { codec, sealing, echo: name };
    }
    if (policy.unknownSubprotocol === 'reject') return null;
  }
  const fallback: CodecName = 'json';
  if (!hasVersion1(policy, fallback)) return null;
  const codec = codecByName(fallback);
  return codec === undefined ? null : { codec, sealing: 'classic', echo: null };
}

/**
 * RFC 6455 section 4.2.1, each fault with a status and a code of its own. A pure function: the request in, what to do out.
 */
export function checkHandshake(
  request: TransportRequest,
  policy: HandshakePolicy,
  forwarded: Forwarded | null = null,
): HandshakeVerdict {
  const { headers } = request;
  if (request.path !== policy.path) return refuse('ERR_HANDSHAKE_PATH', 'nothing is served at this path');
  if (request.method !== 'GET') {
    return refuse('ERR_HANDSHAKE_METHOD', 'a WebSocket handshake is a GET request', [['Allow', 'GET']]);
  }
  // A list: the header was given more than once (RFC 9112 section 3.2).
  if ((headers.get('host') ?? ',').includes(',')) {
    return refuse('ERR_HANDSHAKE_HOST', 'the Host header must be given exactly once');
  }
  if (!hasToken(headers.get('connection') ?? '', 'upgrade')) {
    return refuse('ERR_HANDSHAKE_CONNECTION', 'the Connection header must contain "Upgrade"');
  }
  if (!hasToken(headers.get('upgrade') ?? '', 'websocket')) {
    return refuse('ERR_HANDSHAKE_UPGRADE', 'the Upgrade header must contain "websocket"');
  }
  const version = headers.get('sec-websocket-version');
  if (version !== '13') {
    const isMissing = version === undefined || version === '';
    const status = isMissing ? errorTable.ERR_HANDSHAKE_VERSION.otherStatus : undefined;
    const text = 'Sec-WebSocket-Version must be 13';
    return refuse('ERR_HANDSHAKE_VERSION', text, [['Sec-WebSocket-Version', '13']], status);
  }
  if (!isHandshakeKey(headers.get('sec-websocket-key') ?? '')) {
    return refuse('ERR_HANDSHAKE_KEY', 'Sec-WebSocket-Key must be the base64 form of 16 bytes, given once');
  }
  // Nothing reads a body, and its bytes are no frames.
  if ((headers.get('content-length') ?? '0') !== '0' || headers.has('transfer-encoding')) {
    return refuse('ERR_HANDSHAKE_MALFORMED', 'a WebSocket handshake has no body');
  }
  if (!isOriginAllowed(headers, policy.origins, forwarded, policy.tls !== null)) {
    const allowed = typeof policy.origins === 'string' ? policy.origins : policy.origins.join(', ');
    return { ok: false, answer: { ...refusal('ERR_HANDSHAKE_ORIGIN', 'this Origin is not allowed'), allowed } };
  }
  const choice = negotiate(headers.get('sec-websocket-protocol'), policy);
  if (choice === null) {
    const known = knownSubprotocols(policy)
      .map(({ name }) => name)
      .join(', ');
    return refuse('ERR_HANDSHAKE_SUBPROTOCOL', `none of the offered subprotocols is known; known are: ${known}`);
  }
  return settle(request, choice);
}

/** Checks what else the chosen subprotocol needs from the query and headers. */
function settle(request: TransportRequest, { codec, sealing, echo: subprotocol }: Choice): HandshakeVerdict {
  const query = new URLSearchParams(request.query);
  const hasSession = sealing === 'seal3' || sealing === 'seal2';
  const clientNonce = hasSession ? decodeClientNonce(query.get('client_nonce') ?? '') : null;
  if (clientNonce === null && hasSession) {
    const text = 'this subprotocol needs client_nonce in the query: 16 random bytes in base64url, 22 characters';
    return refuse('ERR_HANDSHAKE_NONCE', text);
  }
  const headerName = request.headers.get('x-client-id') ?? '';
  // The socket library cuts bytes beyond ASCII off both ends of a value, so different names would become one.
  if (!isAscii(headerName)) {
    const text = 'a client id in X-Client-ID is ASCII; give others as client_id in the query';
    return refuse('ERR_NAME_INVALID', text);
  }
  const name = headerName || (query.get('client_id') ?? '');
  if (name.length > maxNameLength) {
    return refuse('ERR_NAME_INVALID', `a client id has at most ${maxNameLength} characters`);
  }
  // In a query, bytes that are not UTF-8 decode to this character, so different names would become one.
  if (name.includes('\uFFFD')) return refuse('ERR_NAME_INVALID', 'a client id is UTF-8');
  return { ok: true, handshake: { codec, sealing, subprotocol, name, clientNonce } };
}

/** The handshake with this subprotocol. Null: the client did not offer it, or the policy does not know it. */
export function agreeOn(
  subprotocol: string,
  request: TransportRequest,
  policy: HandshakePolicy,
): HandshakeVerdict | null {
  if (!offeredSubprotocols(request).includes(subprotocol)) return null;
  const known = knownSubprotocols(policy).find(({ name }) => name === subprotocol);
  const codec = known === undefined ? undefined : codecByName(known.codec);
  if (known === undefined || codec === undefined) return null;
  return settle(request, { codec, sealing: known.sealing, echo: subprotocol });
}
