import { EngineError } from '../../shared/errors/index.ts';
import { isAsciiHeaderValue, isToken } from '../../shared/http/index.ts';
import type { HttpAnswer } from '../transport/transport.ts';

/**
 * A registered symbol, known across copies of this package: a handler module may import another copy than the engine
 * runs.
 */
const brand: unique symbol = Symbol.for('shardwire.rejection');

/** A refusal of a handshake, made by `reject`. */
export interface Rejection {
  readonly [brand]: HttpAnswer;
}

export interface RejectOptions {
  /** Names are tokens; values have no line breaks or other control characters. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Text. Without a `Content-Type` of yours it is `text/plain; charset=utf-8`. */
  readonly body?: string;
}

/** They belong to the connection or follow from the body, and are the engine's to write. */
const ownHeaders = ['connection', 'content-length', 'transfer-encoding', 'upgrade', 'keep-alive'];

function invalid(path: string, given: unknown, allowed: string): EngineError {
  return new EngineError('ERR_REJECTION_INVALID', `reject: "${path}" must be ${allowed}`, { path, given, allowed });
}

function checkHeader(name: string, value: unknown): asserts value is string {
  const path = `headers.${name}`;
  if (!isToken(name)) throw invalid(path, name, 'a header name');
  if (ownHeaders.includes(name.toLowerCase()))
    throw invalid(path, name, `a header other than ${ownHeaders.join(', ')}`);
  if (typeof value !== 'string' || !isAsciiHeaderValue(value)) {
    throw invalid(path, value, 'ASCII text without control characters');
  }
}

/**
 * What an `upgrade` handler returns to refuse a handshake with an HTTP answer of its own. `status` is 400 to 599. Throws
 * `ERR_REJECTION_INVALID`.
 */
export function reject(status: number, { headers = {}, body = '' }: RejectOptions = {}): Rejection {
  if (!Number.isInteger(status) || status < 400 || status > 599) {
    throw invalid('status', status, 'a whole number from 400 to 599');
  }
  if (typeof body !== 'string') throw invalid('body', body, 'a string');
  if (typeof headers !== 'object' || headers === null) throw invalid('headers', headers, 'an object');
  const all = new Map<string, string>();
  for (const [name, value] of Object.entries(headers)) {
    checkHeader(name, value);
    all.set(name, value);
  }
  const hasType = [...all.keys()].some((name) => name.toLowerCase() === 'content-type');
  if (body !== '' && !hasType) all.set('Content-Type', 'text/plain; charset=utf-8');
  return Object.freeze({ [brand]: { status, headers: all, body } });
}

/** The answer in a result of `reject`; null: it is no such result. */
export function answerOfRejection(value: object): HttpAnswer | null {
  return brand in value ? (value as Rejection)[brand] : null;
}
