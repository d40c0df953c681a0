import type { Asker } from '../../shared/bus/ask-port.ts';
import type { ShardQuestions } from '../../shared/bus/questions.ts';
import { metricsContentType } from '../../shared/config/metrics-type.ts';
import type { HttpAnswer, TransportRequest } from '../transport/transport.ts';

const headers: ReadonlyMap<string, string> = new Map([
  ['Content-Type', metricsContentType],
  ['Cache-Control', 'no-store'],
]);
const unavailable: HttpAnswer = {
  status: 503,
  headers: new Map([
    ['Content-Type', 'text/plain; charset=utf-8'],
    ['Cache-Control', 'no-store'],
    ['Retry-After', '1'],
  ]),
  body: 'ERR_OVERLOADED: the metrics are not to be had now\n',
};

/**
 * Answers requests for metrics with the page that main writes, because only main has the metrics of all shards. This
 * shard asks for one page at a time: requests that come while it asks get the same page.
 */
export class MetricsProxy {
  readonly #main: Asker<ShardQuestions>;
  #answer: Promise<HttpAnswer> | null = null;

  constructor(main: Asker<ShardQuestions>) {
    this.#main = main;
  }

  /** `request` is a GET or a HEAD. 503: main has not answered in time, or could not write the page. */
  answer(request: TransportRequest): HttpAnswer | Promise<HttpAnswer> {
    if (request.method === 'HEAD') return { status: 200, headers, body: '' };
    this.#answer ??= this.#ask();
    return this.#answer;
  }

  async #ask(): Promise<HttpAnswer> {
    try {
      return { status: 200, headers, body: await this.#main.ask('metrics', null) };
    } catch {
      return unavailable;
    } finally {
      this.#answer = null;
    }
  }
}
