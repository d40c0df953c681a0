import type { ScenarioSummary } from './summary.ts';

/** A number for people: digits as asked, thousands with commas. */
export function say(value: number, digits: number): string {
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** A size for tables: exact where it is small. */
export function sayBytes(bytes: number): string {
  if (bytes < 10_000) return `${say(bytes, 0)} B`;
  return bytes < 1_000_000 ? `${say(bytes / 1024, 0)} KB` : `${say(bytes / 1_048_576, 1)} MB`;
}

/** How many of all runs did not count, as a sentence. */
export function sayLeftOut(summaries: readonly ScenarioSummary[]): string {
  const all = summaries.flatMap(({ contenders }) => contenders);
  const leftOut = all.reduce((sum, each) => sum + each.leftOut, 0);
  const kept = all.reduce((sum, each) => sum + each.kept, 0);
  return `${leftOut} of ${kept + leftOut} runs were left out because something else used the machine.`;
}
