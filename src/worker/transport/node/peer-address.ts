import { isIPv6 } from 'node:net';

/** An IPv6 address as eight words of four digits, without zero compression and zone; an IPv4 address as it is. */
export function fullAddress(text: string): string {
  const [address = ''] = text.split('%');
  if (!isIPv6(address)) return text;
  const [head = '', tail] = address.split('::');
  const before = words(head);
  const after = words(tail ?? '');
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length;
  return [...before, ...new Array<string>(Math.max(0, zeros)).fill('0'), ...after]
    .map((word) => word.padStart(4, '0'))
    .join(':');
}

function words(part: string): string[] {
  if (part === '') return [];
  return part.split(':').flatMap((word) => {
    if (!word.includes('.')) return [word.toLowerCase()];
    // The last four bytes in the form of IPv4.
    const [a = 0, b = 0, c = 0, d = 0] = word.split('.').map(Number);
    return [(a * 256 + b).toString(16), (c * 256 + d).toString(16)];
  });
}
