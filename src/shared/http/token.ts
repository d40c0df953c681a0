/** Form of a token (RFC 9110 section 5.6.2), for patterns that have one as a part. It has one repeat. */
export const tokenPattern = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";

// Tried at the beginning only: linear.
const tokenForm = new RegExp(`^${tokenPattern}$`);

/** Names of headers, cookies, subprotocols and extensions are tokens. */
export function isToken(text: string): boolean {
  return tokenForm.test(text);
}
