import { STATUS_CODES } from 'node:http';
import { EngineError, type ErrorCode, errorCode, errorFacts, errorText } from '../shared/errors/index.ts';
import { optionInvalid } from './frame-error.ts';
import { type HeaderValues, headerLines } from './http-head.ts';

/** How a hook wants a handshake refused. */
export interface HandshakeRejection {
  /** 300–599. */
  readonly status: number;
  /** The body of the answer, as text. */
  readonly reason?: string;
  readonly headers?: HeaderValues;
}

const rejections = new WeakMap<EngineError, HandshakeRejection>();

/** An error for hooks to throw: the handshake is answered as it says. Throws ERR_OPTION_INVALID. */
export function handshakeRejection(rejection: HandshakeRejection): EngineError {
  const { status, reason = STATUS_CODES[status] ?? 'refused', headers = {} } = rejection;
  if (!Number.isInteger(status) || status < 300 || status > 599) {
    throw optionInvalid('status', status, 'a whole number from 300 to 599');
  }
  headerLines(headers, 'headers');
  const error = new EngineError('ERR_HANDSHAKE_REFUSED', reason, { path: 'status', given: status });
  rejections.set(error, { status, reason, headers });
  return error;
}

/** The faults that the client is told. Every other error is a fault of this side: status 500. */
const toldCodes: ReadonlySet<string> = new Set<ErrorCode>([
  'ERR_HANDSHAKE_HTTP_VERSION',
  'ERR_HANDSHAKE_METHOD',
  'ERR_HANDSHAKE_HOST',
  'ERR_HANDSHAKE_UPGRADE',
  'ERR_HANDSHAKE_CONNECTION',
  'ERR_HANDSHAKE_VERSION',
  'ERR_HANDSHAKE_KEY',
  'ERR_HANDSHAKE_SUBPROTOCOL',
  'ERR_HANDSHAKE_MALFORMED',
  'ERR_HANDSHAKE_ABORTED',
  'ERR_HANDSHAKE_TIMEOUT',
  'ERR_HANDSHAKE_TOO_LARGE',
]);

function answerTo(error: unknown): Required<HandshakeRejection> {
  const own = error instanceof EngineError ? rejections.get(error) : undefined;
  if (own !== undefined) return { status: own.status, reason: own.reason ?? '', headers: own.headers ?? {} };
  const code = errorCode(error) ?? '';
  const facts = toldCodes.has(code) ? errorFacts(code) : undefined;
  // The text of an error that a hook threw may be confidential.
  if (facts?.status === undefined) return { status: 500, reason: 'ERR_INTERNAL: the handshake failed\n', headers: {} };
  const reason = `${code}: ${errorText(error)}\n`;
  const { status, otherStatus = status } = facts;
  if (code === 'ERR_HANDSHAKE_METHOD') return { status, reason, headers: { Allow: 'GET' } };
  // Here it is the client that took too long, to send the head.
  if (code === 'ERR_HANDSHAKE_TIMEOUT') return { status: otherStatus, reason, headers: {} };
  if (code !== 'ERR_HANDSHAKE_VERSION') return { status, reason, headers: {} };
  // Without any version it is a bad request; with another one the client learns which to use.
  const missing = error instanceof EngineError && error.given === undefined;
  if (missing) return { status: otherStatus, reason, headers: {} };
  return { status, reason, headers: { 'Sec-WebSocket-Version': '13' } };
}

/** The bytes that refuse a handshake. `extra`: header lines of every answer. */
export function refusalText(error: unknown, extra: string): string {
  const { status, reason, headers } = answerTo(error);
  const body = Buffer.from(reason);
  return (
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Refused'}\r\nContent-Type: text/plain; charset=utf-8\r\n` +
    `${extra}${headerLines(headers, 'headers')}Content-Length: ${body.length}\r\n\r\n${body.toString('latin1')}`
  );
}
