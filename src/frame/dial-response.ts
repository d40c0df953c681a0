import { EngineError } from '../shared/errors/index.ts';
import { acceptFor, deflateName, type ExtensionTerms, hasToken, parseExtensions } from '../shared/http/index.ts';
import { type DeflateConfig, type DeflateParameters, readDeflateAnswer } from './deflate-negotiation.ts';
import type { HeaderLine, HttpHead } from './http-head.ts';

/** What a client has asked for. */
export interface DialOffer {
  readonly key: string;
  readonly subprotocols: readonly string[];
  readonly extensions: readonly ExtensionTerms[];
  /** Null: permessage-deflate was not offered. */
  readonly deflate: DeflateConfig | null;
}

/** What a server's answer has settled. */
export interface DialSettled {
  readonly subprotocol: string | null;
  readonly extensions: readonly ExtensionTerms[];
  readonly deflate: DeflateParameters | null;
}

export interface StatusLine {
  readonly status: number;
  readonly reason: string;
}

// Linear: it begins at one place, and its one repeat runs to the end of the line.
const statusForm = /^HTTP\/(\d)\.(\d) (\d{3})(?: (.*))?$/;

/** The first line of an answer. Throws ERR_DIAL_RESPONSE if it is none of HTTP/1.1. */
export function parseStatusLine(line: string): StatusLine {
  const parts = statusForm.exec(line);
  if (parts === null) throw badResponse('the first line is not that of an HTTP response');
  const [, major, minor, status, reason = ''] = parts;
  if (major !== '1' || minor === '0') throw badResponse(`the answer is of HTTP/${major}.${minor}, not of HTTP/1.1`);
  return { status: Number(status), reason };
}

function valuesOf(headers: readonly HeaderLine[], name: string): string[] {
  return headers.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value);
}

/** Checks an answer of 101 by RFC 6455 section 4.1. Throws what is wrong with it. */
export function checkAnswer({ headers }: HttpHead, offer: DialOffer): DialSettled {
  const upgrade = valuesOf(headers, 'upgrade');
  if (upgrade.length !== 1 || upgrade[0]?.toLowerCase() !== 'websocket') {
    throw badResponse('the Upgrade header is not "websocket"', 'Upgrade');
  }
  if (!valuesOf(headers, 'connection').some((value) => hasToken(value, 'upgrade'))) {
    throw badResponse('the Connection header does not contain "Upgrade"', 'Connection');
  }
  const accept = valuesOf(headers, 'sec-websocket-accept');
  if (accept.length !== 1 || accept[0] !== acceptFor(offer.key)) {
    const detail = { path: 'Sec-WebSocket-Accept', given: accept.join(', ') };
    throw new EngineError('ERR_DIAL_ACCEPT', 'Sec-WebSocket-Accept does not answer the key', detail);
  }
  const subprotocol = checkSubprotocol(valuesOf(headers, 'sec-websocket-protocol'), offer);
  const extensions = parseExtensions(valuesOf(headers, 'sec-websocket-extensions').join(','));
  if (extensions === null) throw badExtension('Sec-WebSocket-Extensions is not a list of extensions', undefined);
  return { subprotocol, extensions, deflate: checkExtensions(extensions, offer) };
}

function checkSubprotocol(given: readonly string[], offer: DialOffer): string | null {
  const [name = null] = given;
  if (given.length > 1 || (name !== null && !offer.subprotocols.includes(name))) {
    const detail = { path: 'Sec-WebSocket-Protocol', given: given.join(', '), allowed: offer.subprotocols.join(', ') };
    throw new EngineError('ERR_DIAL_SUBPROTOCOL', 'the server chose a subprotocol that was not offered', detail);
  }
  return name;
}

function checkExtensions(extensions: readonly ExtensionTerms[], offer: DialOffer): DeflateParameters | null {
  let deflate: DeflateParameters | null = null;
  const seen = new Set<string>();
  for (const terms of extensions) {
    const { name } = terms;
    if (seen.has(name)) throw badExtension(`the server chose ${name} twice`, name);
    seen.add(name);
    if (name === deflateName && offer.deflate !== null) {
      const parameters = readDeflateAnswer(terms, offer.deflate);
      if (typeof parameters === 'string') throw badExtension(`the server's ${name}: ${parameters}`, name);
      deflate = parameters;
    } else if (!offer.extensions.some((offered) => offered.name === name)) {
      throw badExtension(`the server chose the extension ${name}, which was not offered`, name);
    }
  }
  return deflate;
}

export function badResponse(text: string, path?: string): EngineError {
  return new EngineError('ERR_DIAL_RESPONSE', text, path === undefined ? {} : { path });
}

function badExtension(text: string, given: string | undefined): EngineError {
  return new EngineError('ERR_DIAL_EXTENSION', text, { path: 'Sec-WebSocket-Extensions', given });
}
