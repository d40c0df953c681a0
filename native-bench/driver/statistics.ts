/** Several measurements of one thing. */
export interface Figure {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly count: number;
}

/** The middle value; of an even number of values the mean of the two in the middle. NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** Null: nothing was measured. */
export function figureOf(values: readonly number[]): Figure | null {
  if (values.length === 0) return null;
  return { median: median(values), min: Math.min(...values), max: Math.max(...values), count: values.length };
}

/** How far the values lie apart, as a share of their median. */
export function spreadOf(figure: Figure): number {
  return figure.median === 0 ? 0 : (figure.max - figure.min) / figure.median;
}

/**
 * Ratios of what was measured in the same round, one after the other: what disturbs a whole round disturbs both. Rounds
 * that one of the two lacks give none.
 */
export function pairedRatios(
  values: ReadonlyMap<number, number>,
  yardstick: ReadonlyMap<number, number>,
): readonly number[] {
  const ratios: number[] = [];
  for (const [round, value] of values) {
    const against = yardstick.get(round);
    if (against !== undefined && against > 0) ratios.push(value / against);
  }
  return ratios;
}

/**
 * The least change that counts as one, as a share. Ratios paired by round leave the machine's moods out; figures by
 * themselves have them in.
 */
export const leastNoise: { readonly ratio: number; readonly figure: number } = { ratio: 0.1, figure: 0.25 };

/** What two runs may differ by before it means something: the spreads of both, and at least `least`. */
export function noiseOf(first: Figure, second: Figure, least: number): number {
  return Math.max(least, spreadOf(first) + spreadOf(second));
}
