import { parseHead } from '../../../frame/http-head.ts';
import { EngineError } from '../../../shared/errors/index.ts';
import { addHeader } from '../http-parts.ts';

/** The most bytes and lines of a head, the same as for the other transport. */
export const mostHeadBytes = 4_096;
const mostHeaders = 98;

export interface RequestHead {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: Map<string, string>;
}

// Each repeat ends at a blank, which it cannot contain: linear.
const requestLine = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([^ ]+) HTTP\/(\d)\.(\d)$/;

/** A request's head (RFC 9112 section 3), or the status that refuses it. `text` has one character for each byte. */
export function readRequestHead(text: string): RequestHead | 400 | 431 | 505 {
  const head = parseHead(text, mostHeaders);
  if (head instanceof EngineError) return head.code === 'ERR_HANDSHAKE_TOO_LARGE' ? 431 : 400;
  const [, method = '', target = '', major, minor] = requestLine.exec(head.startLine) ?? [];
  if (method === '') return 400;
  if (major !== '1' || (minor !== '0' && minor !== '1')) return 505;
  const headers = new Map<string, string>();
  for (const [name, value] of head.headers) addHeader(headers, name.toLowerCase(), value);
  // RFC 9112 section 3.2: a request of HTTP/1.1 names its host.
  if (minor === '1' && !headers.has('host')) return 400;
  const mark = target.indexOf('?');
  return {
    method: method.toUpperCase(),
    path: mark < 0 ? target : target.slice(0, mark),
    query: mark < 0 ? '' : target.slice(mark + 1),
    headers,
  };
}
