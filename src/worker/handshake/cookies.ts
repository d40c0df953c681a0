/** One repeat, from a fixed beginning: linear. Names are tokens (RFC 6265 section 4.1.1, RFC 9110 section 5.6.2). */
const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/**
 * The cookies of a `Cookie` header (RFC 6265 section 4.2.1). Values are as they came, without the quotes around them and
 * without decoding: what is encoded in them is between those who set and read them. Of two with one name the first counts,
 * which is the one of the longer path. What is no pair of a name and a value is left out.
 */
export function parseCookies(header: string | undefined): Map<string, string> {
  const cookies = new Map<string, string>();
  if (header === undefined) return cookies;
  for (const pair of header.split(';')) {
    const equals = pair.indexOf('=');
    if (equals < 0) continue;
    const name = trimBlanks(pair.slice(0, equals));
    if (!token.test(name) || cookies.has(name)) continue;
    const value = trimBlanks(pair.slice(equals + 1));
    const isQuoted = value.length >= 2 && value.startsWith('"') && value.endsWith('"');
    cookies.set(name, isQuoted ? value.slice(1, -1) : value);
  }
  return cookies;
}

/** Spaces and tabs only: other whitespace may be part of a value. */
function trimBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  const isBlank = (at: number): boolean => text[at] === ' ' || text[at] === '\t';
  while (start < end && isBlank(start)) start += 1;
  while (end > start && isBlank(end - 1)) end -= 1;
  return text.slice(start, end);
}
