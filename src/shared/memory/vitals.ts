import { closeCode } from '../errors/index.ts';
import { type EngineMemory, vitalsBlockBytes } from './engine-memory.ts';
import { refusalNames, refusalPlace } from './refusals.ts';

/** The state of a thread. The thread writes it; main writes `ended` for a thread that ended without writing. */
export type ThreadState = 'starting' | 'ready' | 'ending' | 'ended';
const threadStates: readonly ThreadState[] = ['starting', 'ready', 'ending', 'ended'];

/** Close codes of RFC 6455 and of its registry that the engine does not send itself, but with which connections end. */
const foreignCodes = [1003, 1005, 1006, 1008, 1010, 1013, 1014, 1015];

const knownCodes: readonly number[] = [...new Set([...Object.values(closeCode), ...foreignCodes])].sort(
  (one, other) => one - other,
);

/** Clients choose close codes. Unknown codes share a few counters, so clients cannot make the list grow. */
const closeBuckets: readonly string[] = [...knownCodes.map(String), '1xxx', '3xxx', '4xxx', 'other'];
const placeOfCode: ReadonlyMap<number, number> = new Map(knownCodes.map((code, place) => [code, place]));

function closePlace(code: number): number {
  const known = placeOfCode.get(code);
  if (known !== undefined) return known;
  const shared = closeBuckets.indexOf(`${Math.floor(code / 1_000)}xxx`);
  return shared < 0 ? closeBuckets.length - 1 : shared;
}

/**
 * The handlers whose errors count as `handlerErrors`; `stray` is an error that a handler threw after it had answered.
 */
const handlerSources = [
  'connect',
  'message',
  'disconnect',
  'authorize',
  'upgrade',
  'slow',
  'listener',
  'stray',
] as const;
/** Parts of the engine in which an error is the engine's own fault. They count with the handlers' errors. */
const faultSources = ['transport', 'ring', 'control', 'seal', 'drain', 'drop', 'watch', 'other'] as const;

export type HandlerSource = (typeof handlerSources)[number];
export type FaultSource = (typeof faultSources)[number];

const errorSources: readonly string[] = [...handlerSources, ...faultSources];

/** What a thread measures of itself about once a second. */
export interface VitalSigns {
  /** Delay of the event loop since the last report. */
  readonly loopP50Ms: number;
  readonly loopP99Ms: number;
  readonly loopMaxMs: number;
  readonly heapUsedBytes: number;
  /** How large the heap may become before the runtime ends the process. */
  readonly heapLimitBytes: number;
}

/** What other threads read about a thread. */
export interface VitalValues extends VitalSigns {
  readonly state: ThreadState;
  /** Time of its start, as `Date.now()`; 0: it has not started. */
  readonly startedAt: number;
  /** Time of the report above, as `Date.now()`. A thread whose loop is blocked writes no report. */
  readonly reportedAt: number;
  /** By code or shared counter; counters at 0 are left out. */
  readonly closes: Readonly<Record<string, number>>;
  /** By source; counters at 0 are left out. */
  readonly handlerErrorsBy: Readonly<Record<string, number>>;
  /** By error code; counters at 0 are left out. */
  readonly refusals: Readonly<Record<string, number>>;
}

/** Indices in a thread's block. */
const place = {
  state: 0,
  startedAt: 1,
  reportedAt: 2,
  loopP50: 3,
  loopP99: 4,
  loopMax: 5,
  heapUsed: 6,
  heapLimit: 7,
  heapKept: 8,
  sources: 16,
};
const closesPlace = place.sources + errorSources.length;
const refusalsPlace = closesPlace + closeBuckets.length;
const blockLength = refusalsPlace + refusalNames.length;

/**
 * A thread's block of values that are no counters of counters.ts. Only that thread writes it, with plain stores of
 * aligned 8-byte numbers. Other threads may read it at any time without stopping it.
 */
export class Vitals {
  readonly #block: Float64Array;

  constructor(memory: EngineMemory, thread: number) {
    this.#block = new Float64Array(memory.vitals, thread * vitalsBlockBytes, blockLength);
  }

  /** Marks the start of the thread. The counts of an earlier thread of the same shard continue. */
  begin(now: number): void {
    this.state = 'starting';
    this.heapKeptBytes = 0;
    this.#block[place.startedAt] = now;
  }

  get state(): ThreadState {
    return threadStates[this.#block[place.state] ?? 0] ?? 'ended';
  }

  set state(state: ThreadState) {
    this.#block[place.state] = threadStates.indexOf(state);
  }

  report(signs: VitalSigns, now: number): void {
    this.#block[place.loopP50] = signs.loopP50Ms;
    this.#block[place.loopP99] = signs.loopP99Ms;
    this.#block[place.loopMax] = signs.loopMaxMs;
    this.#block[place.heapUsed] = signs.heapUsedBytes;
    this.#block[place.heapLimit] = signs.heapLimitBytes;
    this.#block[place.reportedAt] = now;
  }

  /** The thread's last report. */
  get heapUsedBytes(): number {
    return this.#get(place.heapUsed);
  }

  /** The thread's last report; 0: there is none. */
  get heapLimitBytes(): number {
    return this.#get(place.heapLimit);
  }

  /** Bytes in use after the last full garbage collection; 0: there was none yet. Only shards write it. */
  get heapKeptBytes(): number {
    return this.#get(place.heapKept);
  }

  set heapKeptBytes(bytes: number) {
    this.#block[place.heapKept] = bytes;
  }

  /** A connection has ended with this code, whoever closed it. */
  countClose(code: number): void {
    this.#add(closesPlace + closePlace(code));
  }

  /** A request was refused with this error code. */
  countRefusal(code: string): void {
    this.#add(refusalsPlace + refusalPlace(code));
  }

  countHandlerError(source: HandlerSource | FaultSource): void {
    const known = errorSources.indexOf(source);
    this.#add(place.sources + (known < 0 ? errorSources.length - 1 : known));
  }

  read(): VitalValues {
    return {
      state: this.state,
      startedAt: this.#get(place.startedAt),
      reportedAt: this.#get(place.reportedAt),
      loopP50Ms: this.#get(place.loopP50),
      loopP99Ms: this.#get(place.loopP99),
      loopMaxMs: this.#get(place.loopMax),
      heapUsedBytes: this.#get(place.heapUsed),
      heapLimitBytes: this.#get(place.heapLimit),
      closes: this.#named(closesPlace, closeBuckets),
      handlerErrorsBy: this.#named(place.sources, errorSources),
      refusals: this.#named(refusalsPlace, refusalNames),
    };
  }

  #get(at: number): number {
    return this.#block[at] as number;
  }

  #add(at: number): void {
    this.#block[at] = (this.#block[at] as number) + 1;
  }

  #named(first: number, names: readonly string[]): Record<string, number> {
    const values: Record<string, number> = {};
    for (const [offset, name] of names.entries()) {
      const value = this.#get(first + offset);
      if (value > 0) values[name] = value;
    }
    return values;
  }
}
