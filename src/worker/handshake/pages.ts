import type { EngineConfig } from '../../shared/config/config.ts';
import type { EngineState } from '../../shared/memory/engine-memory.ts';
import type { HttpAnswer, TransportRequest } from '../transport/transport.ts';
import { refusal } from './check-handshake.ts';

function text(status: number, body: string): HttpAnswer {
  const headers = new Map([
    ['Content-Type', 'text/plain; charset=utf-8'],
    ['Cache-Control', 'no-store'],
  ]);
  return { status, headers, body: `${body}\n` };
}

/** Whether the request only reads: GET or HEAD. */
export function isReading({ method }: TransportRequest): boolean {
  return method === 'GET' || method === 'HEAD';
}

/**
 * Whether this is the path of a health probe. Probes often send an IP address as `Host`, so their `Host` is not
 * checked.
 */
export function isHealthPath(path: string, { health }: EngineConfig): boolean {
  return health !== false && (path === health.live || path === health.ready);
}

/**
 * Answers requests for health and pages, and refuses methods other than GET and HEAD there and for metrics; null: the
 * request is for none of them.
 */
export function answerRequest(request: TransportRequest, config: EngineConfig, state: EngineState): HttpAnswer | null {
  const { path } = request;
  const page = Object.hasOwn(config.pages, path) ? config.pages[path] : undefined;
  const isHealth = isHealthPath(path, config);
  const isMetrics = config.metrics !== false && path === config.metrics.path;
  if (page === undefined && !isHealth && !isMetrics) return null;
  if (!isReading(request)) {
    return refusal('ERR_HANDSHAKE_METHOD', 'this path answers GET only', [['Allow', 'GET, HEAD']]);
  }
  const answer = page === undefined ? health(path, config, state) : pageAnswer(page.contentType, page.body);
  return request.method === 'HEAD' ? { ...answer, body: '' } : answer;
}

function health(path: string, config: EngineConfig, state: EngineState): HttpAnswer {
  // `live`: a shard can answer at all. `ready`: new connections are accepted.
  if (config.health !== false && path === config.health.live) return text(200, 'ok');
  return state === 'ready' ? text(200, 'ready') : text(503, state);
}

function pageAnswer(contentType: string, body: string): HttpAnswer {
  return {
    status: 200,
    headers: new Map([
      ['Content-Type', contentType],
      ['Cache-Control', 'no-cache'],
    ]),
    body,
  };
}
