// Runs the compiled tests on node:test: `npm test`, or `npm test -- ring` for the files whose path contains "ring".
// `npm test -- --minutes=50` begins no file after so many minutes, which is for CI, whose time has an end: what was not
// run is listed, and is a failure if it left a whole folder out.
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values, positionals: wanted } = parseArgs({
  allowPositionals: true,
  options: { minutes: { type: 'string', default: process.env.TEST_MINUTES ?? 'Infinity' } },
});
const minutes = Number(values.minutes);
if (!(minutes > 0)) {
  console.error(`--minutes takes a number above 0, not ${values.minutes}`);
  process.exit(1);
}

const root = fileURLToPath(new URL('../build/test/', import.meta.url));
const names = readdirSync(root, { recursive: true })
  .filter((name) => name.endsWith('.test.js'))
  .filter((name) => wanted.length === 0 || wanted.some((word) => name.includes(word)))
  .sort();
if (names.length === 0) {
  console.error(`no test file matches ${wanted.join(' ')}`);
  process.exit(1);
}

/** One file of every folder, then the second of every folder, and so on: what is run first touches everything. */
function inTurns(files) {
  const place = new Map();
  const rank = new Map();
  for (const file of files) {
    const folder = dirname(file);
    rank.set(file, place.get(folder) ?? 0);
    place.set(folder, rank.get(file) + 1);
  }
  return [...files].sort((a, b) => rank.get(a) - rank.get(b));
}

const folders = new Set(names.map((name) => dirname(name)));
const waiting = minutes === Infinity ? [...names] : inTurns(names);
const end = Date.now() + minutes * 60_000;
const failures = [];
let passed = 0;
let skipped = 0;

async function runFile(name) {
  const began = Date.now();
  const events = run({ files: [join(root, name)], concurrency: 1, timeout: 900_000 });
  events.on('test:fail', (event) => {
    failures.push(`${name}: ${event.name}`);
  });
  events.on('test:pass', (event) => {
    if (event.details.type === 'suite') return;
    if (event.skip === undefined) passed += 1;
    else skipped += 1;
  });
  let report = '';
  for await (const part of events.compose(spec)) report += part;
  process.stdout.write(`\n${name}, ${((Date.now() - began) / 1000).toFixed(1)} s\n${report}`);
  folders.delete(dirname(name));
}

async function runInTurn() {
  while (waiting.length > 0 && Date.now() < end) await runFile(waiting.shift());
}

// Files run two at a time at most: many of them start engines with several threads of their own.
await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, runInTurn));

console.log(`\n${names.length - waiting.length} of ${names.length} files: ${passed} tests passed, ${skipped} skipped`);
if (waiting.length > 0) {
  console.log(`NOT RUN, because the ${minutes} minutes were over: ${waiting.length} files\n  ${waiting.join('\n  ')}`);
}
if (folders.size > 0) failures.push(`nothing was run of: ${[...folders].join(', ')}`);
if (failures.length > 0) {
  console.log(`${failures.length} failures\n  ${failures.join('\n  ')}`);
  process.exitCode = 1;
}
