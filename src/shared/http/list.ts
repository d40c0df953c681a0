import { trimBlanks } from './blanks.ts';
import { isToken } from './token.ts';

/** The items of a list such as `a, b`, in order and without the whitespace around them. Empty ones are kept. */
export function splitList(list: string): string[] {
  return list.split(',').map((item) => item.trim());
}

/** Whether a list has this very item. Linear: each item is passed over once to trim it. */
export function hasItem(list: string, item: string): boolean {
  for (const part of list.split(',')) if (part.trim() === item) return true;
  return false;
}

/** Whether a list has a token in any case, as `Connection` may. `token` is in lower case. */
export function hasToken(list: string, token: string): boolean {
  return hasItem(list.toLowerCase(), token);
}

/**
 * The tokens of a list such as `Sec-WebSocket-Protocol`; null if something in it is no token. Empty items are allowed
 * and mean nothing (RFC 9110 section 5.6.1).
 */
export function parseTokens(header: string): string[] | null {
  const tokens = header
    .split(',')
    .map(trimBlanks)
    .filter((part) => part !== '');
  return tokens.every(isToken) ? tokens : null;
}
