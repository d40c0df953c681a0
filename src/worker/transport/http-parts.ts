/** Adds a header line to those that came before; names are in lower case. */
export function addHeader(headers: Map<string, string>, name: string, value: string): void {
  const before = headers.get(name);
  // Cookies are the one header whose values may contain commas and whose lines join otherwise (RFC 9113 section 8.2.3).
  const joint = name === 'cookie' ? '; ' : ', ';
  headers.set(name, before === undefined ? value : before + joint + value);
}

const nosniff = 'x-content-type-options';

/** The headers of an answer. Browsers are kept from taking it for a script or page when its type says otherwise. */
export function* answerHeaders(headers: ReadonlyMap<string, string>): Generator<readonly [string, string]> {
  let hasNosniff = false;
  for (const line of headers) {
    hasNosniff ||= line[0].toLowerCase() === nosniff;
    yield line;
  }
  if (!hasNosniff) yield ['X-Content-Type-Options', 'nosniff'];
}
