/**
 * The grammar of HTTP heads, as far as WebSocket handshakes need it. It only says what a text is: which handshake is
 * refused, and with which code, is the business of those who import it. All of this reads text of strangers, and takes
 * time in proportion to its length; test/handshake/linear-time.test.ts has each of them.
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
