import type { EngineConfig } from '../shared/config.ts';
import type { EngineState } from '../shared/engine-memory.ts';
import { refusal } from './handshake.ts';
import type { HttpAnswer, TransportRequest } from './transport/transport.ts';

function text(status: number, body: string): HttpAnswer {
  const headers = new Map([
    ['Content-Type', 'text/plain; charset=utf-8'],
    ['Cache-Control', 'no-store'],
  ]);
  return { status, headers, body: `${body}\n` };
}

/** Answers requests for health and the configured pages; null: the request is for neither. */
export function answerRequest(request: TransportRequest, config: EngineConfig, state: EngineState): HttpAnswer | null {
  const { path, method } = request;
  const page = Object.hasOwn(config.pages, path) ? config.pages[path] : undefined;
  const isHealth = config.health !== false && (path === config.health.live || path === config.health.ready);
  if (page === undefined && !isHealth) return null;
  if (method !== 'GET' && method !== 'HEAD') {
    return refusal(405, 'ERR_HANDSHAKE_METHOD', `${path} answers GET only`, [['Allow', 'GET, HEAD']]);
  }
  const answer = page === undefined ? health(path, config, state) : pageAnswer(page.contentType, page.body);
  return method === 'HEAD' ? { ...answer, body: '' } : answer;
}

function health(path: string, config: EngineConfig, state: EngineState): HttpAnswer {
  // Live as long as a shard can answer at all; ready only while new connections are welcome.
  if (config.health !== false && path === config.health.live) return text(200, 'ok');
  return state === 'ready' ? text(200, 'ready') : text(503, state);
}

function pageAnswer(contentType: string, body: string): HttpAnswer {
  return {
    status: 200,
    headers: new Map([
      ['Content-Type', contentType],
      ['Cache-Control', 'no-cache'],
      ['X-Content-Type-Options', 'nosniff'],
    ]),
    body,
  };
}
