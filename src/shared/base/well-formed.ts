import { EngineError } from '../errors/index.ts';

/**
 * Throws `ERR_TEXT_INVALID` for a text with half of a surrogate pair. UTF-8 cannot represent it, so the text would
 * change on its way to other threads and clients.
 */
export function requireWellFormed(path: string, text: string): void {
  if (text.isWellFormed()) return;
  const allowed = 'a text without halves of surrogate pairs, such as "👍".slice(0, 1) makes them';
  throw new EngineError('ERR_TEXT_INVALID', `${path} must be ${allowed}`, { path, given: text, allowed });
}

/** The first `units` UTF-16 units of a text, or one less if that would split a surrogate pair. */
export function firstUnits(text: string, units: number): string {
  if (text.length <= units) return text;
  const last = text.charCodeAt(units - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? units - 1 : units);
}
