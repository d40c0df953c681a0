import type { FromShard } from '../../shared/bus/ipc.ts';
import { metricsContentType } from '../../shared/config/metrics-type.ts';
import type { HttpAnswer, TransportRequest } from '../transport/transport.ts';

/** How long main may take before the request is answered without it. */
const deadlineMs = 2_000;

const headers: ReadonlyMap<string, string> = new Map([
  ['Content-Type', metricsContentType],
  ['Cache-Control', 'no-store'],
]);
const sorry: HttpAnswer = {
  status: 503,
  headers: new Map([
    ['Content-Type', 'text/plain; charset=utf-8'],
    ['Cache-Control', 'no-store'],
    ['Retry-After', '1'],
  ]),
  body: 'ERR_OVERLOADED: the metrics are not to be had now\n',
};

interface Question {
  readonly id: number;
  readonly answered: Promise<HttpAnswer>;
  settle(answer: HttpAnswer): void;
}

/**
 * Answers requests for metrics. Main writes them, because it is the one that has all of them; this shard asks once at a
 * time, and whoever comes while it asks gets the same answer.
 */
export class MetricsDesk {
  readonly #post: (message: FromShard) => void;
  #asked = 0;
  #question: Question | null = null;

  constructor(post: (message: FromShard) => void) {
    this.#post = post;
  }

  /** `request` is a GET or a HEAD. */
  answer(request: TransportRequest): HttpAnswer | Promise<HttpAnswer> {
    if (request.method === 'HEAD') return { status: 200, headers, body: '' };
    this.#question ??= this.#ask();
    return this.#question.answered;
  }

  /** Main's answer; null: it has none. One that comes too late finds nobody who waits. */
  settle(request: number, text: string | null): void {
    if (this.#question?.id !== request) return;
    this.#question.settle(text === null ? sorry : { status: 200, headers, body: text });
  }

  close(): void {
    this.#question?.settle(sorry);
  }

  #ask(): Question {
    this.#asked += 1;
    const id = this.#asked;
    let resolve: (answer: HttpAnswer) => void = () => undefined;
    const answered = new Promise<HttpAnswer>((onResolve) => {
      resolve = onResolve;
    });
    const settle = (answer: HttpAnswer): void => {
      clearTimeout(timer);
      this.#question = null;
      resolve(answer);
    };
    const timer = setTimeout(() => settle(sorry), deadlineMs).unref();
    this.#post({ kind: 'metrics', request: id });
    return { id, answered, settle };
  }
}
