import type { Buffer } from 'node:buffer';
import type { Duplex } from 'node:stream';
import { EngineError, errorCode, errorText } from '../shared/errors/index.ts';
import { createHandshakeKey, type ExtensionTerms, formatExtensions, isToken } from '../shared/http/index.ts';
import type { FrameConnectionOptions } from './connection-options.ts';
import { createDeflate } from './deflate.ts';
import { type DeflateOptions, deflateConfig, deflateOffer } from './deflate-negotiation.ts';
import {
  badResponse,
  checkAnswer,
  type DialOffer,
  type DialSettled,
  parseStatusLine,
  type StatusLine,
} from './dial-response.ts';
import { type DialStreamOptions, streamOpener } from './dial-stream.ts';
import { FrameConnection } from './frame-connection.ts';
import { optionInvalid, wholeNumber } from './frame-error.ts';
import {
  canonicalName,
  type HeaderLine,
  type HeaderValues,
  type HttpHead,
  headerLines,
  headTooLong,
  parseHead,
  readHead,
} from './http-head.ts';
import { orAbort } from './or-abort.ts';

/** A final answer other than 101, whose body can be read from `stream` until the dialer gives it up. */
export interface DialRefusal {
  readonly status: number;
  readonly reason: string;
  readonly headers: readonly HeaderLine[];
  readonly stream: Duplex;
}

export interface DialOptions extends DialStreamOptions {
  /** Subprotocols to offer, the best first. */
  readonly subprotocols?: readonly string[];
  /** permessage-deflate to offer. Default: none. */
  readonly deflate?: DeflateOptions | null;
  /** Other extensions to offer. What the server says to them is not checked. */
  readonly extensions?: readonly ExtensionTerms[];
  /** More headers of the request. */
  readonly headers?: HeaderValues;
  /** Replaces the Host header. */
  readonly host?: string;
  /** Time limit for connecting, TLS and the handshake together, in milliseconds. Default 10,000. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** Every header of the answer that has no part in the handshake, its name in the form `X-Some-Name`. */
  readonly onHeader?: (name: string, value: string) => void;
  /** Called, and awaited, for an answer other than 101, before the dialer rejects with ERR_DIAL_STATUS. */
  readonly onRefusal?: (refusal: DialRefusal) => void | Promise<void>;
  /** Bytes of the heads of the answer and of the interim ones before it, together. Default 16,384. */
  readonly maxHeadBytes?: number;
  /** Header lines of each head. Default 100. */
  readonly maxHeaders?: number;
  /** Options of the connection. */
  readonly connection?: Omit<FrameConnectionOptions, 'role' | 'head' | 'deflate'>;
}

/** A handshake that was answered as it should be. */
export interface Dialed extends DialSettled {
  readonly connection: FrameConnection;
  /** The answer's headers, as they came. */
  readonly headers: readonly HeaderLine[];
}

const ownHeaders: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'host',
  'sec-websocket-accept',
  'sec-websocket-extensions',
  'sec-websocket-key',
  'sec-websocket-protocol',
  'sec-websocket-version',
  'transfer-encoding',
  'upgrade',
]);

function parseUrl(address: string | URL): URL {
  const given = String(address);
  const bad = (why: string): EngineError => new EngineError('ERR_DIAL_URL', `${why}: ${given}`, { path: 'url', given });
  if (!URL.canParse(given)) throw bad('this is not a URL');
  const url = new URL(given);
  if (url.protocol !== 'ws:' && url.protocol !== 'wss:') throw bad('the URL of a WebSocket begins with ws: or wss:');
  // RFC 6455 section 3.
  if (given.includes('#')) throw bad('the URL of a WebSocket has no fragment');
  if (url.username !== '' || url.password !== '')
    throw bad('put credentials into an Authorization header, not the URL');
  return url;
}

/** Room for several proxies, each of which may send 100, 102 and a few early hints. */
const mostInterimAnswers = 16;
/** The blank line behind a head. */
const headEndBytes = 4;

interface DialPlan {
  readonly open: (signal: AbortSignal) => Promise<Duplex>;
  readonly request: string;
  readonly offer: DialOffer;
  readonly timeoutMs: number;
  readonly maxHeadBytes: number;
  readonly maxHeaders: number;
}

/** What will be sent, checked in all its parts before anything is opened. */
function plan(address: string | URL, options: DialOptions): DialPlan {
  const url = parseUrl(address);
  const { subprotocols = [], extensions = [], headers = {}, host = url.host } = options;
  if (!subprotocols.every((name) => typeof name === 'string' && isToken(name)) || hasTwice(subprotocols)) {
    throw optionInvalid('subprotocols', subprotocols, 'a list of tokens, each once');
  }
  for (const name of Object.keys(headers)) {
    if (ownHeaders.has(name.toLowerCase()))
      throw optionInvalid(`headers.${name}`, headers[name], 'left to the handshake');
  }
  const deflate = options.deflate == null ? null : deflateConfig(options.deflate);
  const offered = deflate === null ? extensions : [deflateOffer(deflate), ...extensions];
  const key = createHandshakeKey();
  const handshake: Record<string, string> = {
    Host: host,
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': key,
    ...(subprotocols.length === 0 ? {} : { 'Sec-WebSocket-Protocol': subprotocols.join(', ') }),
    ...(offered.length === 0 ? {} : { 'Sec-WebSocket-Extensions': formatExtensions(offered) }),
  };
  const lines = headerLines(handshake, 'host') + headerLines(headers, 'headers');
  return {
    open: streamOpener(url, options),
    request: `GET ${url.pathname}${url.search} HTTP/1.1\r\n${lines}\r\n`,
    offer: { key, subprotocols, extensions, deflate },
    timeoutMs: wholeNumber('timeoutMs', options.timeoutMs, 10_000, 1, 0x7fff_ffff),
    maxHeadBytes: wholeNumber('maxHeadBytes', options.maxHeadBytes, 16_384, 64, 0x7fff_ffff),
    maxHeaders: wholeNumber('maxHeaders', options.maxHeaders, 100, 1, 0x7fff_ffff),
  };
}

function hasTwice(names: readonly string[]): boolean {
  return new Set(names).size !== names.length;
}

/**
 * A client's handshake. Resolves when the server has accepted; rejects with ERR_DIAL_… for what went wrong, with
 * `signal`'s reason when that is aborted, or with ERR_OPTION_INVALID. Nothing is left open then.
 */
export async function dial(address: string | URL, options: DialOptions = {}): Promise<Dialed> {
  const planned = plan(address, options);
  const { signal } = options;
  signal?.throwIfAborted();
  const aborter = new AbortController();
  const onAbort = (): void => aborter.abort(signal?.reason);
  const late = new EngineError('ERR_DIAL_TIMEOUT', `no connection within ${planned.timeoutMs} ms`);
  const timer = setTimeout(() => aborter.abort(late), planned.timeoutMs);
  signal?.addEventListener('abort', onAbort);
  let stream: Duplex | undefined;
  try {
    stream = await planned.open(aborter.signal);
    return await shakeHands(stream, planned, options, aborter.signal);
  } catch (error) {
    stream?.destroy();
    // An abort makes other steps fail too. The abort is the error to report.
    throw aborter.signal.aborted ? aborter.signal.reason : error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
}

async function shakeHands(
  stream: Duplex,
  { request, offer, maxHeadBytes, maxHeaders }: DialPlan,
  options: DialOptions,
  signal: AbortSignal,
): Promise<Dialed> {
  stream.write(request, 'latin1');
  const { head, rest, status, reason } = await readAnswer(stream, maxHeadBytes, maxHeaders, signal);
  if (status !== 101) {
    await showRefusal(stream, { status, reason, headers: head.headers, stream }, rest, options, signal);
    throw new EngineError('ERR_DIAL_STATUS', `the server answered ${status} ${reason}`.trimEnd(), {
      path: 'status',
      given: status,
    });
  }
  const settled = checkAnswer(head, offer);
  reportHeaders(head, options);
  const deflate = settled.deflate === null ? null : createDeflate(settled.deflate, options.deflate ?? {});
  const connection = new FrameConnection(stream, { ...options.connection, role: 'client', head: rest, deflate });
  return { ...settled, connection, headers: head.headers };
}

interface Answer extends StatusLine {
  readonly head: HttpHead;
  /** Bytes that came behind the head. */
  readonly rest: Buffer;
}

/**
 * The final answer. Interim ones are passed over (RFC 9110 section 15.2): a server or a proxy may send any number of them
 * although nobody asked. All heads together have at most `maxHeadBytes`.
 */
async function readAnswer(
  stream: Duplex,
  maxHeadBytes: number,
  maxHeaders: number,
  signal: AbortSignal,
): Promise<Answer> {
  let bytes = 0;
  let before: Buffer | undefined;
  for (let interim = 0; interim <= mostInterimAnswers; interim++) {
    const { text, rest } = await readHead(stream, Math.max(0, maxHeadBytes - bytes), signal, before).catch(
      (error: unknown) => {
        if (signal.aborted) throw error;
        throw badHead(errorCode(error) === 'ERR_HANDSHAKE_TOO_LARGE' ? headTooLong(maxHeadBytes) : error);
      },
    );
    const head = parseHead(text, maxHeaders);
    if (head instanceof EngineError) throw badHead(head);
    const { status, reason } = parseStatusLine(head.startLine);
    // For an upgrade, 101 is the final answer: no other follows it.
    if (status < 100 || status > 199 || status === 101) return { head, rest, status, reason };
    bytes += text.length + headEndBytes;
    before = rest;
  }
  throw badResponse(`no usable answer: more than ${mostInterimAnswers} interim responses came before it`);
}

function badHead(error: unknown): EngineError {
  const bad = badResponse(`no usable answer: ${errorText(error)}`);
  return new EngineError(bad.code, bad.message, { cause: error });
}

function reportHeaders({ headers }: HttpHead, { onHeader }: DialOptions): void {
  if (onHeader === undefined) return;
  for (const [name, value] of headers) {
    if (!ownHeaders.has(name.toLowerCase())) onHeader(canonicalName(name), value);
  }
}

async function showRefusal(
  stream: Duplex,
  refusal: DialRefusal,
  rest: Buffer,
  { onRefusal }: DialOptions,
  signal: AbortSignal,
): Promise<void> {
  if (onRefusal === undefined) return;
  if (rest.length > 0) stream.unshift(rest);
  await orAbort(Promise.resolve(onRefusal(refusal)), signal, () => undefined);
}
