import { isIP, isIPv4, isIPv6 } from 'node:net';

const mappedPrefix = [0, 0, 0, 0, 0, 0xffff];

function wordsOfIPv4(text: string): readonly [number, number] {
  const [a = 0, b = 0, c = 0, d = 0] = text.split('.').map(Number);
  return [a * 256 + b, c * 256 + d];
}

/** The eight words of a valid IPv6 address. */
function wordsOfIPv6(text: string): number[] {
  const read = (part: string): number[] =>
    part === ''
      ? []
      : part.split(':').flatMap((word) => (word.includes('.') ? wordsOfIPv4(word) : [Number.parseInt(word, 16)]));
  const [head = '', tail] = text.split('::');
  const before = read(head);
  if (tail === undefined) return before;
  const after = read(tail);
  return [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after];
}

/** RFC 5952 section 4: lower case, no leading zeros, the first of the longest runs of at least two zeros as `::`. */
function showIPv6(words: readonly number[]): string {
  let start = -1;
  let length = 1;
  for (let i = 0; i < 8; i++) {
    let end = i;
    while (end < 8 && words[end] === 0) end += 1;
    if (end - i > length) {
      start = i;
      length = end - i;
    }
    i = Math.max(i, end - 1);
  }
  const hex = (part: readonly number[]): string => part.map((word) => word.toString(16)).join(':');
  return start < 0 ? hex(words) : `${hex(words.slice(0, start))}::${hex(words.slice(start + length))}`;
}

/**
 * The canonical spelling of an IP address: dotted for IPv4, also if mapped into IPv6; else as RFC 5952 recommends,
 * without a zone. Null if the text is no address.
 */
export function canonicalAddress(text: string): string | null {
  if (isIPv4(text)) return text;
  const [address = ''] = text.split('%');
  if (!isIPv6(address)) return null;
  const words = wordsOfIPv6(address);
  if (mappedPrefix.some((word, place) => words[place] !== word)) return showIPv6(words);
  return [words[6], words[7]].map((word = 0) => `${word >> 8}.${word & 255}`).join('.');
}

/** An IPv6 address as eight words of four digits, without zero compression and zone; anything else as it is. */
export function fullAddress(text: string): string {
  const [address = ''] = text.split('%');
  if (!isIPv6(address)) return text;
  return wordsOfIPv6(address)
    .map((word) => word.toString(16).padStart(4, '0'))
    .join(':');
}

/**
 * What counts as one address for limits per address: an IPv4 address, or the /64 of an IPv6 address, because each
 * subscriber has at least 2^64 IPv6 addresses to choose from. Takes the canonical spelling.
 */
export function subscriberOf(address: string): string {
  return isIP(address) === 6 ? wordsOfIPv6(address).slice(0, 4).join(':') : address;
}
