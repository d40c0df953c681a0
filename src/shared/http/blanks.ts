/**
 * Without the spaces and tabs around it (OWS of RFC 9110 section 5.6.3). In two loops, each of which passes over a blank
 * once: a regular expression that looks for blanks at the end begins anew at each blank inside, which takes time in the
 * square of their number.
 */
export function trimBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text.charCodeAt(start))) start += 1;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end -= 1;
  return text.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
