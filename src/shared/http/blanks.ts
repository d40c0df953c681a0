/**
 * The text without the spaces and tabs around it (OWS of RFC 9110 section 5.6.3). Two loops pass over each blank once.
 * A regular expression for blanks at the end would begin anew at each blank inside, which takes quadratic time.
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
