// How long each test file took when it last ran on this machine: build/test-times.json, which is never committed.
import { readFileSync, writeFileSync } from 'node:fs';

const file = new URL('../build/test-times.json', import.meta.url);
/** For a file that has not run here yet. */
const usualSeconds = 5;

function readTimes() {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return {};
  }
}

/** How long `names` will take with `lanes` files at a time, in words. */
export function estimateOf(names, lanes) {
  const times = readTimes();
  const unknown = names.filter((name) => times[name] === undefined).length;
  const seconds = names.reduce((sum, name) => sum + (times[name] ?? usualSeconds), 0) / Math.min(lanes, names.length);
  const duration = seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} minutes`;
  const guess = `${unknown} of them have no time of an earlier run: ${usualSeconds} s are assumed for each`;
  return `about ${duration}${unknown === 0 ? '' : ` (${guess})`}`;
}

/** Keeps the seconds of the files that have run, next to those of the files that have not. */
export function keepTimes(seconds) {
  try {
    writeFileSync(file, `${JSON.stringify({ ...readTimes(), ...Object.fromEntries(seconds) }, null, 1)}\n`);
  } catch (error) {
    console.log(`the times were not kept: ${error.message}`);
  }
}
