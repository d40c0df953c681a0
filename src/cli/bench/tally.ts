import { build, decodeFromCompressedBase64, encodeIntoCompressedBase64, type Histogram } from 'hdr-histogram-js';

/** An hour in microseconds; longer times count as an hour. */
const longestMicros = 3_600_000_000;
/** Servers choose the codes of their errors, so further kinds count as one. */
const maxKinds = 64;
const otherKinds = 'other';

export function createHistogram(): Histogram {
  return build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: longestMicros,
    numberOfSignificantValueDigits: 3,
    autoResize: false,
    bitBucketSize: 64,
  });
}

function record(histogram: Histogram, ms: number): void {
  histogram.recordValue(Math.min(longestMicros, Math.max(0, Math.round(ms * 1_000))));
}

/** Made one line, because a server chooses some of these words and they go to a terminal. */
function printable(text: string): string {
  return text.replace(/[\p{Cc}\s]+/gu, ' ').trim();
}

/** The number of each kind of error, and the text of the first error. */
export class ErrorTally {
  readonly kinds: Map<string, number> = new Map();
  first: string | null = null;
  total = 0;

  add(kind: string, text: string, count = 1): void {
    const known = this.kinds.has(kind) || this.kinds.size < maxKinds ? kind : otherKinds;
    this.kinds.set(known, (this.kinds.get(known) ?? 0) + count);
    this.first ??= printable(text);
    this.total += count;
  }
}

/** The counts of one thread, as sent to main. */
export interface TallyReport {
  readonly counts: Counts;
  readonly latency: string;
  readonly lag: string;
  readonly handshakes: string;
  readonly errors: readonly (readonly [kind: string, count: number])[];
  readonly firstError: string | null;
}

/** All but `opened`, `lost` and `unexpected` are of messages that were sent, or due, in the measured time. */
export interface Counts {
  /** Connections that opened. */
  opened: number;
  /** Of these, how many ended before the run did. */
  lost: number;
  /** Messages, publishes or handshakes that were begun. */
  sent: number;
  /** Answers, deliveries or handshakes that came. */
  received: number;
  /** Messages sent and never answered. */
  unanswered: number;
  /** Messages not sent in time, because too many were in flight. */
  rateMissed: number;
  /** Deliveries of messages that the connection already had. */
  duplicates: number;
  /** Deliveries after a later message of the same publisher. */
  outOfOrder: number;
  /** Messages that are no answer to anything. */
  unexpected: number;
  bytesOut: number;
  bytesIn: number;
  /** On the clock of `now()`; 0: nothing came. */
  lastReceivedMs: number;
}

export function noCounts(): Counts {
  return {
    opened: 0,
    lost: 0,
    sent: 0,
    received: 0,
    unanswered: 0,
    rateMissed: 0,
    duplicates: 0,
    outOfOrder: 0,
    unexpected: 0,
    bytesOut: 0,
    bytesIn: 0,
    lastReceivedMs: 0,
  };
}

/** Everything that is counted, of one thread or of all. */
export class Tally {
  readonly counts: Counts = noCounts();
  readonly errors: ErrorTally = new ErrorTally();
  readonly latency: Histogram = createHistogram();
  /** The delay of messages in an open loop. */
  readonly lag: Histogram = createHistogram();
  readonly handshakes: Histogram = createHistogram();

  answered(sinceMs: number, atMs: number, bytes: number): void {
    record(this.latency, atMs - sinceMs);
    this.counts.received += 1;
    this.counts.bytesIn += bytes;
    this.counts.lastReceivedMs = atMs;
  }

  late(dueMs: number, sentMs: number): void {
    record(this.lag, sentMs - dueMs);
  }

  handshake(ms: number): void {
    record(this.handshakes, ms);
  }

  report(): TallyReport {
    return {
      counts: this.counts,
      latency: encodeIntoCompressedBase64(this.latency),
      lag: encodeIntoCompressedBase64(this.lag),
      handshakes: encodeIntoCompressedBase64(this.handshakes),
      errors: [...this.errors.kinds],
      firstError: this.errors.first,
    };
  }

  add(report: TallyReport): void {
    const { counts } = this;
    for (const name of Object.keys(counts) as (keyof Counts)[]) {
      if (name === 'lastReceivedMs') counts[name] = Math.max(counts[name], report.counts[name]);
      else counts[name] += report.counts[name];
    }
    this.latency.add(decodeFromCompressedBase64(report.latency));
    this.lag.add(decodeFromCompressedBase64(report.lag));
    this.handshakes.add(decodeFromCompressedBase64(report.handshakes));
    for (const [kind, count] of report.errors) this.errors.add(kind, report.firstError ?? kind, count);
  }
}
