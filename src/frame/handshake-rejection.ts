import { STATUS_CODES } from 'node:http';
import { EngineError, type ErrorCode, errorCode, errorText } from '../shared/errors/index.ts';
import { optionInvalid } from './frame-error.ts';
import { type HeaderValues, headerLines } from './http-head.ts';

/** How a hook wants a handshake refused. */
export interface HandshakeRejection {
  /** 300–599. */
  readonly status: number;
  /** The body, for whoever reads it. */
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

/** Statuses of refusals that are the client's fault; everything else is this side's. */
const statuses: ReadonlyMap<string, number> = new Map<ErrorCode, number>([
  ['ERR_HANDSHAKE_HTTP_VERSION', 505],
  ['ERR_HANDSHAKE_METHOD', 405],
  ['ERR_HANDSHAKE_HOST', 400],
  ['ERR_HANDSHAKE_UPGRADE', 400],
  ['ERR_HANDSHAKE_CONNECTION', 400],
  ['ERR_HANDSHAKE_VERSION', 426],
  ['ERR_HANDSHAKE_KEY', 400],
  ['ERR_HANDSHAKE_SUBPROTOCOL', 400],
  ['ERR_HANDSHAKE_MALFORMED', 400],
  ['ERR_HANDSHAKE_ABORTED', 400],
  ['ERR_HANDSHAKE_TIMEOUT', 408],
  ['ERR_HANDSHAKE_TOO_LARGE', 431],
]);

function answerTo(error: unknown): Required<HandshakeRejection> {
  const own = error instanceof EngineError ? rejections.get(error) : undefined;
  if (own !== undefined) return { status: own.status, reason: own.reason ?? '', headers: own.headers ?? {} };
  const code = errorCode(error) ?? '';
  const known = statuses.get(code);
  // What a hook threw may be nobody else's business.
  if (known === undefined) return { status: 500, reason: 'ERR_INTERNAL: the handshake failed\n', headers: {} };
  const reason = `${code}: ${errorText(error)}\n`;
  if (code === 'ERR_HANDSHAKE_METHOD') return { status: known, reason, headers: { Allow: 'GET' } };
  if (code !== 'ERR_HANDSHAKE_VERSION') return { status: known, reason, headers: {} };
  // Without any version it is a bad request; with another one the client learns which to use.
  const missing = error instanceof EngineError && error.given === undefined;
  return { status: missing ? 400 : known, reason, headers: missing ? {} : { 'Sec-WebSocket-Version': '13' } };
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
