// Each has one repeat, from a fixed beginning: linear.
const valueForm = /^[\t\x20-\x7e\x80-\xff]*$/;
const asciiForm = /^[\t\x20-\x7e]*$/;

/** Whether a text may be a header's value (RFC 9110 section 5.5): no control character but tab, one byte each. */
export function isHeaderValue(text: string): boolean {
  return valueForm.test(text);
}

/** As `isHeaderValue`, without the characters beyond ASCII, which recipients read in different ways. */
export function isAsciiHeaderValue(text: string): boolean {
  return asciiForm.test(text);
}
