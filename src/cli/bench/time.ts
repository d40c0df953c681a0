/**
 * Milliseconds of a clock that all threads of this process share; `performance.now()` begins anew in each of them.
 * Precise to well below a microsecond.
 */
const offsetMs = Number(process.hrtime.bigint()) / 1e6 - performance.now();

export function now(): number {
  return performance.now() + offsetMs;
}

/** Rounded to microseconds, as times cross the wire: the same number at both ends. */
export function wholeMicros(ms: number): number {
  return Math.round(ms * 1_000) / 1_000;
}

const units: ReadonlyMap<string, number> = new Map([
  ['ms', 1],
  ['', 1_000],
  ['s', 1_000],
  ['m', 60_000],
]);

/** Milliseconds of `10`, `0.5`, `10s`, `500ms` or `2m`: seconds unless a unit stands behind; null: no such text. */
export function durationMs(text: string): number | null {
  const match = /^(\d{1,9}(?:\.\d{1,6})?)(ms|s|m|)$/.exec(text);
  const unit = units.get(match?.[2] ?? 'none');
  return match === null || unit === undefined ? null : Number(match[1]) * unit;
}
