// Runs the compiled tests on node:test: `npm test`, or `npm test -- ring` for the files whose path contains "ring".
// Prints one line per file, and the whole report of a file in which something failed.
// For CI, whose machines may be slow and whose time is limited:
//   --minutes=50  begins no file after 50 minutes. Files that did not run are listed; a folder of which none ran is a failure.
//   --again       runs a failed file once more, alone, and lists what passed only then.
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { estimateOf, keepTimes } from './test-times.mjs';

const { values, positionals: wanted } = parseArgs({
  allowPositionals: true,
  options: {
    minutes: { type: 'string', default: process.env.TEST_MINUTES ?? 'Infinity' },
    again: { type: 'boolean', default: process.env.TEST_AGAIN === '1' },
  },
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

/** One file of every folder, then the second of every folder, and so on: the first files cover every part. */
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

/**
 * Tests about timers, deadlines and load. Where the machine stands still for as long as they measure, as virtual machines
 * do that others keep from running, they find out about the machine and not about the engine: there they are not run.
 */
const timed = [
  'attack/',
  'bench-native/',
  'bench-peers/',
  'chaos/',
  'cli/bench-',
  'cli/serve',
  'codec/flatbuffers-properties',
  'engine/exit',
  'engine/overload',
  'engine/thousand-subscribers',
  'faults/',
  'heartbeat/heartbeat',
  'limits/connections-storm',
  'limits/descriptors',
  'limits/ended-sockets',
  'limits/turns',
  'logging/refusals',
  'offload/',
  'ring/stress',
  'sealed/',
  'slow/',
  'upgrade/hostile',
];
const lookMs = 3_000;
const mostAwayMs = 400;

/** The longest time for which this process did not run, of a few seconds in which it always wanted to. */
function longestAwayMs() {
  const end = performance.now() + lookMs;
  let last = performance.now();
  let longest = 0;
  while (last < end) {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
  }
  return Math.round(longest);
}

const hasEnd = minutes !== Infinity;
const awayMs = hasEnd ? longestAwayMs() : 0;
const isHeldUp = awayMs > mostAwayMs;
const leftOut = isHeldUp ? names.filter((name) => timed.some((start) => name.startsWith(start))) : [];
const chosen = names.filter((name) => !leftOut.includes(name));
const folders = new Set(chosen.map((name) => dirname(name)));
const waiting = hasEnd ? inTurns(chosen) : [...chosen];
const end = Date.now() + minutes * 60_000;
const failures = new Map();
const unsteady = [];
const skipped = [];
const seconds = new Map();
let passed = 0;

/** Runs one file in a process of its own and prints a line about it, or its report. Resolves to the names of failed tests. */
async function runFile(name) {
  const began = Date.now();
  const failed = [];
  let passedHere = 0;
  let skippedHere = 0;
  const events = run({ files: [join(root, name)], concurrency: 1, timeout: 900_000 });
  events.on('test:fail', (event) => {
    // A suite that fails only because of a test in it: that test is listed.
    if (event.details.error?.failureType === 'subtestsFailed') return;
    failed.push(event.name);
  });
  events.on('test:pass', (event) => {
    if (event.details.type === 'suite') return;
    if (event.skip === undefined) {
      passedHere += 1;
      return;
    }
    skippedHere += 1;
    skipped.push(`${name}: ${event.name}${typeof event.skip === 'string' ? ` (${event.skip})` : ''}`);
  });
  let report = '';
  for await (const part of events.compose(spec)) report += part;
  const took = (Date.now() - began) / 1000;
  const counts = [
    `${passedHere} passed`,
    ...(skippedHere === 0 ? [] : [`${skippedHere} skipped`]),
    ...(failed.length === 0 ? [] : [`${failed.length} FAILED`]),
  ];
  console.log(`${name}, ${took.toFixed(1)} s: ${counts.join(', ')}`);
  if (failed.length > 0) console.log(report);
  passed += passedHere;
  if (failed.length === 0) seconds.set(name, Number(took.toFixed(1)));
  folders.delete(dirname(name));
  return failed;
}

async function runInTurn() {
  while (waiting.length > 0 && Date.now() < end) {
    const name = waiting.shift();
    const failed = await runFile(name);
    if (failed.length > 0) failures.set(name, failed);
  }
}

// At most two files run at a time: many of them start engines with several threads.
const lanes = Math.min(2, availableParallelism());
const howMany = chosen.length === 1 ? '1 test file' : `${chosen.length} test files, ${lanes} at a time`;
console.log(`${howMany}: ${estimateOf(chosen, lanes)}`);
await Promise.all(Array.from({ length: lanes }, runInTurn));
if (values.again) {
  for (const [name, first] of [...failures]) {
    if (Date.now() > end + 600_000) break;
    const failed = await runFile(name);
    if (failed.length > 0) continue;
    failures.delete(name);
    unsteady.push(`${name}: ${first.join(', ')}`);
  }
}

keepTimes(seconds);

function list(title, lines) {
  if (lines.length > 0) console.log(`${title}\n  ${lines.join('\n  ')}`);
}

console.log(
  `\n${chosen.length - waiting.length} of ${names.length} files: ${passed} tests passed, ${skipped.length} skipped`,
);
list('SKIPPED:', skipped);
list(`NOT RUN, because the ${minutes} minutes were over: ${waiting.length} files`, waiting);
list(`NOT RUN, because the machine stood still for ${awayMs} ms: ${leftOut.length} files about time and load`, leftOut);
list('PASSED ONLY WHEN RUN AGAIN, ALONE:', unsteady);
const wrong = [...failures].map(([name, failed]) => `${name}: ${failed.join(', ')}`);
if (folders.size > 0) wrong.push(`nothing was run of: ${[...folders].join(', ')}`);
list('FAILED:', wrong);
if (wrong.length > 0) process.exitCode = 1;
