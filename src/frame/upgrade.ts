import { Buffer } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { EngineError } from '../shared/errors/index.ts';
import { acceptFor, formatExtensions, isToken } from '../shared/http/index.ts';
import type { FrameConnectionOptions } from './connection-options.ts';
import { createDeflate } from './deflate.ts';
import { type DeflateOptions, deflateConfig } from './deflate-negotiation.ts';
import { FrameConnection } from './frame-connection.ts';
import { optionInvalid, wholeNumber } from './frame-error.ts';
import { refusalText } from './handshake-rejection.ts';
import {
  type HeaderLine,
  type HeaderValues,
  headerLines,
  headTooLong,
  parseRequest,
  type RequestHead,
  readHead,
  tooManyHeaders,
} from './http-head.ts';
import { type Negotiated, type NegotiationRules, negotiate, type UpgradeHooks } from './upgrade-negotiation.ts';

export interface UpgradeOptions extends UpgradeHooks {
  /** Subprotocols of this server, the best first. */
  readonly subprotocols?: readonly string[];
  /** Whose order decides among `subprotocols`. Default server. */
  readonly preference?: 'server' | 'client';
  /** A client that offers only unknown subprotocols gets none, or 400. Default accept. */
  readonly unknownSubprotocol?: 'accept' | 'reject';
  /** permessage-deflate for clients that offer it. Default: none. */
  readonly deflate?: DeflateOptions | null;
  /** Headers of every answer, whatever its status. */
  readonly headers?: HeaderValues;
  /** How long the request's head may take to come. Default 10,000. For `upgradeRequest` it has come already. */
  readonly handshakeTimeoutMs?: number;
  /** Bytes of the request's head. Default 16,384. Behind `node:http` its own `maxHeaderSize` comes first. */
  readonly maxHeadBytes?: number;
  /** Header lines. Default 100. */
  readonly maxHeaders?: number;
  /** Options of the connection. */
  readonly connection?: Omit<FrameConnectionOptions, 'role' | 'head' | 'deflate'>;
}

/** A handshake that was answered with 101. */
export interface Upgraded extends Omit<Negotiated, 'key' | 'headers'> {
  readonly connection: FrameConnection;
  /** The request's target, as it came. */
  readonly target: string;
  /** The request's headers, as they came. */
  readonly headers: readonly HeaderLine[];
}

interface UpgradeConfig {
  readonly rules: NegotiationRules;
  readonly deflate: DeflateOptions | null;
  readonly everyAnswer: string;
  readonly handshakeTimeoutMs: number;
  readonly maxHeadBytes: number;
  readonly maxHeaders: number;
  readonly connection: Omit<FrameConnectionOptions, 'role' | 'head' | 'deflate'>;
}

/** How long a refused peer has to end its side. */
const lingerMs = 5_000;

function upgradeConfig(options: UpgradeOptions): UpgradeConfig {
  const { subprotocols = [], preference = 'server', unknownSubprotocol = 'accept', deflate = null } = options;
  const { headers = {}, connection = {} } = options;
  if (!Array.isArray(subprotocols) || !subprotocols.every((name) => typeof name === 'string' && isToken(name))) {
    throw optionInvalid('subprotocols', subprotocols, 'a list of tokens');
  }
  if (preference !== 'server' && preference !== 'client') {
    throw optionInvalid('preference', preference, "'server' or 'client'");
  }
  if (unknownSubprotocol !== 'accept' && unknownSubprotocol !== 'reject') {
    throw optionInvalid('unknownSubprotocol', unknownSubprotocol, "'accept' or 'reject'");
  }
  return {
    rules: {
      hooks: options,
      subprotocols,
      preference,
      unknownSubprotocol,
      deflate: deflate === null ? null : deflateConfig(deflate),
    },
    deflate,
    everyAnswer: headerLines(headers, 'headers'),
    handshakeTimeoutMs: wholeNumber('handshakeTimeoutMs', options.handshakeTimeoutMs, 10_000, 1, 0x7fff_ffff),
    maxHeadBytes: wholeNumber('maxHeadBytes', options.maxHeadBytes, 16_384, 64, 0x7fff_ffff),
    maxHeaders: wholeNumber('maxHeaders', options.maxHeaders, 100, 1, 0x7fff_ffff),
    connection,
  };
}

/**
 * A server's handshake on a stream that has given nothing yet, such as the socket of a `net` or `tls` server. Resolves
 * when it is answered with 101. Rejects with why it was refused; the refusal is then sent and the stream ended. Bytes
 * behind the request belong to the connection.
 */
export async function upgrade(stream: Duplex, options: UpgradeOptions = {}): Promise<Upgraded> {
  const config = prepare(stream, options);
  const late = new EngineError('ERR_HANDSHAKE_TIMEOUT', `no whole request within ${config.handshakeTimeoutMs} ms`);
  const aborter = new AbortController();
  const timer = setTimeout(() => aborter.abort(late), config.handshakeTimeoutMs);
  let request: RequestHead;
  let rest: Buffer;
  try {
    const head = await readHead(stream, config.maxHeadBytes, aborter.signal);
    rest = head.rest;
    const parsed = parseRequest(head.text, config.maxHeaders);
    if (parsed instanceof EngineError) throw parsed;
    request = parsed;
  } catch (error) {
    return refuse(stream, error, config);
  } finally {
    clearTimeout(timer);
  }
  return answer(stream, request, rest, config);
}

/**
 * A server's handshake behind `node:http`: to be called with what the `upgrade` event of a server gives. Everything else
 * is as for `upgrade`.
 */
export async function upgradeRequest(
  request: IncomingMessage,
  stream: Duplex,
  head: Uint8Array,
  options: UpgradeOptions = {},
): Promise<Upgraded> {
  const config = prepare(stream, options);
  const { rawHeaders, method = '', url = '', httpVersionMajor: major, httpVersionMinor: minor } = request;
  const headers: HeaderLine[] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) headers.push([rawHeaders[i] ?? '', rawHeaders[i + 1] ?? '']);
  const asked: RequestHead = { method, target: url, major, minor, headers };
  const excess = excessOf(asked, config);
  if (excess !== null) return refuse(stream, excess, config);
  return answer(stream, asked, head, config);
}

/**
 * What `readHead` and `parseHead` would say to a head that `node:http` has read, or null. Its bytes are counted as if
 * each line were `name: value`: the blanks around values are gone.
 */
function excessOf({ method, target, headers }: RequestHead, config: UpgradeConfig): EngineError | null {
  const { maxHeaders, maxHeadBytes } = config;
  if (headers.length > maxHeaders) return tooManyHeaders(maxHeaders);
  let bytes = `${method} ${target} HTTP/1.1`.length;
  for (const [name, value] of headers) bytes += '\r\n: '.length + name.length + value.length;
  return bytes > maxHeadBytes ? headTooLong(maxHeadBytes) : null;
}

/** Options that are wrong are this side's fault: the client gets 500, and nothing is left open. */
function prepare(stream: Duplex, options: UpgradeOptions): UpgradeConfig {
  // Without this listener, an error between two of our other listeners would be uncaught.
  stream.on('error', () => undefined);
  // A peer that ends its side within the handshake is still told why it is refused.
  stream.allowHalfOpen = true;
  if (stream instanceof Socket) {
    stream.setNoDelay(true);
    stream.setTimeout(0);
  }
  try {
    return upgradeConfig(options);
  } catch (error) {
    return refuse(stream, error, { everyAnswer: '', handshakeTimeoutMs: lingerMs });
  }
}

async function answer(
  stream: Duplex,
  request: RequestHead,
  head: Uint8Array,
  config: UpgradeConfig,
): Promise<Upgraded> {
  let connection: FrameConnection;
  let settled: Negotiated;
  try {
    settled = await negotiate(request, config.rules);
    const { deflate } = settled;
    const text = acceptance(settled, config);
    const permessageDeflate = deflate === null ? null : createDeflate(deflate, config.deflate ?? {});
    // Created before the answer is sent, so that an error here can still be answered with 500.
    connection = new FrameConnection(stream, {
      ...config.connection,
      role: 'server',
      head,
      deflate: permessageDeflate,
    });
    stream.write(text, 'latin1');
  } catch (error) {
    return refuse(stream, error, config);
  }
  const { host, subprotocol, extensions, deflate } = settled;
  const { target, headers } = request;
  return { connection, target, headers, host, subprotocol, extensions, deflate };
}

/** The bytes of an answer of 101 (RFC 6455 section 4.2.2). */
function acceptance(settled: Negotiated, config: UpgradeConfig): string {
  const { key, subprotocol, extensions, headers } = settled;
  const lines = headerLines(
    {
      ...(subprotocol === null ? {} : { 'Sec-WebSocket-Protocol': subprotocol }),
      ...(extensions.length === 0 ? {} : { 'Sec-WebSocket-Extensions': formatExtensions(extensions) }),
    },
    'negotiate',
  );
  return (
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
    `Sec-WebSocket-Accept: ${acceptFor(key)}\r\n${lines}` +
    `${config.everyAnswer}${headerLines(headers, 'headers')}\r\n`
  );
}

/** Sends the refusal and ends the stream; a peer that does not end it too is cut off. */
function refuse(
  stream: Duplex,
  error: unknown,
  config: Pick<UpgradeConfig, 'everyAnswer' | 'handshakeTimeoutMs'>,
): never {
  if (!stream.writable) {
    stream.destroy();
    throw error;
  }
  const timer = setTimeout(() => stream.destroy(), Math.min(config.handshakeTimeoutMs, lingerMs));
  const destroyWhenDone = (): void => {
    if (stream.readableEnded && stream.writableFinished) stream.destroy();
  };
  stream.once('close', () => clearTimeout(timer)).once('end', destroyWhenDone);
  stream.end(Buffer.from(refusalText(error, config.everyAnswer), 'latin1'), destroyWhenDone);
  // What the peer still sends would otherwise reset the connection under the answer.
  stream.resume();
  throw error;
}
