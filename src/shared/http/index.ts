/**
 * The grammar of HTTP heads, as far as WebSocket handshakes need it. It only parses: its importers decide which
 * handshake is refused, and with which code. Every function here reads untrusted text in linear time.
 * test/handshake/linear-time.test.ts has each of them.
 */
export { trimBlanks } from './blanks.ts';
export {
  type DeflateTerms,
  deflateName,
  deflateParameter,
  readDeflateTerms,
} from './deflate-terms.ts';
export { type ExtensionTerms, formatExtensions, parseExtensions } from './extension-header.ts';
export { acceptFor, createHandshakeKey, isHandshakeKey } from './handshake-key.ts';
export { isAsciiHeaderValue, isHeaderValue } from './header-value.ts';
export { hasItem, hasToken, parseTokens, splitList } from './list.ts';
export { statusText } from './status-text.ts';
export { isToken, tokenPattern } from './token.ts';
