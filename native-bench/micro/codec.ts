import { flatbuffersCodec } from '#dist/shared/codec/flatbuffers-codec.js';
import { type Codec, type Envelope, jsonCodec, Scratch } from '#dist/shared/codec/index.js';
import { msgpackCodec } from '#dist/shared/codec/msgpack-codec.js';
import { protobufCodec } from '#dist/shared/codec/protobuf-codec.js';
import { type Contender, hasKept, keep, yardsticksOf } from './codec-yardsticks.ts';

const codecs: readonly Codec[] = [jsonCodec, protobufCodec, flatbuffersCodec, msgpackCodec];
const payloadBytes = [64, 1024, 65_536];
const rounds = 11;
const roundMs = 12;
const warmUpMs = 60;

/** What all runs returned, so that none of them is for nothing. */
let sink = 0;

/** The codecs: how long a message takes, next to the bare libraries. */
export async function benchCodec(): Promise<void> {
  console.log(
    '\nNanoseconds for one message: median of',
    rounds,
    'rounds in which ours and the yardsticks take turns.',
  );
  console.log('payload: a JSON document of so many bytes, which is the data of a message to a channel.');
  console.log('encode: to bytes of its own; encode, reused: to memory that the next message overwrites (a Scratch);');
  console.log(
    'decode: from what our codec wrote, to an envelope whose data is a view. JSON data is known to be JSON when',
  );
  console.log('it is encoded, and proved to be when it is decoded; the yardstick makes its objects from it and back.');
  console.log('ratio: ours by the yardstick; below 1 ours is faster.');
  for (const bytes of payloadBytes) {
    const rows: Record<string, string | number>[] = [];
    for (const codec of codecs) rows.push(...rowsOf(codec, envelopeOf(bytes)));
    console.log(`\nPayload of ${bytes.toLocaleString('en')} bytes`);
    printTable(rows);
  }
  if (!hasKept() || !(sink > 0)) throw new Error('nothing was measured');
}

function rowsOf(codec: Codec, envelope: Envelope): Record<string, string | number>[] {
  const bytes = codec.encode(envelope);
  const scratch = new Scratch();
  const yardsticks = yardsticksOf(codec.name, envelope, bytes);
  const groups: readonly (readonly [operation: string, ours: () => number, theirs: readonly Contender[]])[] = [
    ['encode', () => codec.encode(envelope).length, yardsticks.encode],
    ['encode, reused', () => codec.encode(envelope, scratch).length, yardsticks.encodeReused],
    ['decode', () => keep(codec.decode(bytes)).type.length, yardsticks.decode],
  ];
  for (const { name, run } of yardsticks.decode) {
    if (run() !== envelope.type.length) throw new Error(`${name} read another message`);
  }
  const rows: Record<string, string | number>[] = [];
  for (const [operation, ours, theirs] of groups) {
    const [own = 0, ...others] = race([{ name: 'ours', run: ours }, ...theirs]);
    const row = { codec: codec.name, operation, 'ours (ns)': Math.round(own) };
    if (theirs.length === 0) rows.push({ ...row, yardstick: '', 'its (ns)': '', ratio: '' });
    for (const [index, { name }] of theirs.entries()) {
      const other = others[index] ?? 0;
      rows.push({ ...row, yardstick: name, 'its (ns)': Math.round(other), ratio: (own / other).toFixed(2) });
    }
  }
  return rows;
}

/** Nanoseconds per run of each, the median of rounds in which they take turns. */
function race(contenders: readonly Contender[]): number[] {
  const repeats = contenders.map(({ run }) => {
    // The second look counts: the first was without compiled code.
    repeatsFor(run, warmUpMs);
    return repeatsFor(run, roundMs);
  });
  const times: number[][] = contenders.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < contenders.length; turn++) {
      // Another one begins each round.
      const index = (round + turn) % contenders.length;
      const contender = contenders[index];
      if (contender === undefined) continue;
      const count = repeats[index] ?? 1;
      times[index]?.push(nanosecondsOf(contender.run, count) / count);
    }
  }
  return times.map(median);
}

/** About how often it runs in that time. */
function repeatsFor(run: () => number, ms: number): number {
  let count = 0;
  let spent = 0;
  for (let batch = 1; spent < ms * 1e6; batch = Math.min(batch * 2, 4096)) {
    spent += nanosecondsOf(run, batch);
    count += batch;
  }
  return count;
}

function nanosecondsOf(run: () => number, count: number): number {
  const start = process.hrtime.bigint();
  let sum = 0;
  for (let i = 0; i < count; i++) sum += run();
  sink += sum;
  return Number(process.hrtime.bigint() - start);
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? 0;
}

/** A JSON document of exactly that many bytes: some records, and text to fill up. */
function documentOf(bytes: number): Uint8Array {
  const records: string[] = [];
  const recordsBytes = bytes / 2;
  for (let length = 0; length < recordsBytes - 40; length += records.at(-1)?.length ?? 0) {
    records.push(`{"id":${records.length},"name":"user","score":12.5}`);
  }
  const without = JSON.stringify({ items: 0, text: '' }).replace('0', `[${records.join(',')}]`);
  const text = without.replace('""', `"${'x'.repeat(Math.max(0, bytes - without.length))}"`);
  return new TextEncoder().encode(text);
}

function envelopeOf(bytes: number): Envelope {
  const data = documentOf(bytes);
  if (data.length !== bytes) throw new Error(`${data.length} bytes instead of ${bytes}`);
  return {
    type: 'message',
    channel: 'news/europe',
    data,
    timestamp: 1_700_000_000_123_456_789n,
    clientId: 'client-0123456789',
    id: 0,
    offset: 0,
    dataIsJson: true,
  };
}

function printTable(rows: readonly Record<string, string | number>[]): void {
  const columns = Object.keys(rows[0] ?? {});
  const cells = [columns, ...rows.map((row) => columns.map((column) => String(row[column])))];
  const widths = columns.map((_, index) => Math.max(...cells.map((line) => line[index]?.length ?? 0)));
  for (const line of cells) {
    const padded = line.map((cell, index) => {
      const width = widths[index] ?? 0;
      return /^[\d.]+$/.test(cell) ? cell.padStart(width) : cell.padEnd(width);
    });
    console.log(padded.join('  ').trimEnd());
  }
}
