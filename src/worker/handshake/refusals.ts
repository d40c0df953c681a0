import { type Counters, counter } from '../../shared/memory/counters.ts';
import { ownAnswer } from '../../shared/memory/refusals.ts';
import type { Vitals } from '../../shared/memory/vitals.ts';
import type { ShardLog } from '../handlers/shard-log.ts';
import type { HttpAnswer, TransportRequest } from '../transport/transport.ts';

const linesPerSecond = 10;
const longestShown = 128;

/**
 * Text of a client as a log may show it: cut, and with nothing but printable ASCII, so that it cannot end a line, move a
 * terminal's cursor, or look like a field of ours.
 */
export function shownText(text: string): string {
  const cut = Math.min(text.length, longestShown);
  let shown = '';
  for (let at = 0; at < cut; at++) {
    const unit = text.charCodeAt(at);
    const isPlain = unit >= 0x20 && unit < 0x7f && unit !== 0x22 && unit !== 0x5c;
    shown += isPlain ? text.charAt(at) : `\\u${unit.toString(16).padStart(4, '0')}`;
  }
  return cut < text.length ? `${shown}…` : shown;
}

function shownOrNone(text: string | undefined): string | undefined {
  return text === undefined ? undefined : shownText(text);
}

/** The text without the code, which has a field of its own. Undefined: the answer is a handler's, which may log it. */
function reasonOf({ code, body }: HttpAnswer): string | undefined {
  return code === undefined ? undefined : body.slice(code.length + 2).trimEnd();
}

/** Counts refused requests by code, and logs refused handshakes: a few lines a second, with how many were left out. */
export class Refusals {
  readonly #counters: Counters;
  readonly #vitals: Vitals;
  readonly #log: ShardLog;
  #lines = 0;
  #omitted = 0;
  /** Ends the current second, which has a bound of log lines. */
  #timer: NodeJS.Timeout | null = null;

  constructor(counters: Counters, vitals: Vitals, log: ShardLog) {
    this.#counters = counters;
    this.#vitals = vitals;
    this.#log = log;
  }

  count({ code = ownAnswer }: HttpAnswer): void {
    this.#counters.add(counter.handshakesRefused, 1);
    this.#vitals.countRefusal(code);
  }

  /** `address`: the client's. */
  countAndLog(answer: HttpAnswer, request: TransportRequest, address: string): void {
    this.count(answer);
    this.#timer ??= setTimeout(() => this.#endSecond(), 1_000).unref();
    if (this.#lines >= linesPerSecond) {
      this.#omitted += 1;
      return;
    }
    this.#lines += 1;
    const { status, code = ownAnswer, allowed } = answer;
    this.#log.write('info', 'a handshake was refused', {
      code,
      status,
      address,
      origin: shownOrNone(request.headers.get('origin')),
      host: shownOrNone(request.headers.get('host')),
      reason: reasonOf(answer),
      allowed,
    });
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#endSecond();
  }

  #endSecond(): void {
    this.#timer = null;
    this.#lines = 0;
    if (this.#omitted === 0) return;
    this.#log.write('info', 'refused handshakes were left out of the log', { omitted: this.#omitted });
    this.#omitted = 0;
  }
}
