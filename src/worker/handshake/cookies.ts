import { isToken, trimBlanks } from '../../shared/http/index.ts';

/**
 * The cookies of a `Cookie` header (RFC 6265 section 4.2.1). Values lose the quotes around them and are not decoded:
 * their encoding is the application's. Of two cookies with one name the first counts, which has the longer path. A part
 * that is not a token, an equals sign and a value is left out.
 */
export function parseCookies(header: string | undefined): Map<string, string> {
  const cookies = new Map<string, string>();
  if (header === undefined) return cookies;
  for (const pair of header.split(';')) {
    const equals = pair.indexOf('=');
    if (equals < 0) continue;
    const name = trimBlanks(pair.slice(0, equals));
    if (!isToken(name) || cookies.has(name)) continue;
    const value = trimBlanks(pair.slice(equals + 1));
    const isQuoted = value.length >= 2 && value.startsWith('"') && value.endsWith('"');
    cookies.set(name, isQuoted ? value.slice(1, -1) : value);
  }
  return cookies;
}
