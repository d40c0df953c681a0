import type { EngineConfig } from '../shared/config.ts';
import type { EngineState } from '../shared/engine-memory.ts';
import { checkHandshake, refusal } from './handshake.ts';
import type { HttpAnswer, TransportRequest } from './transport/transport.ts';

function text(status: number, body: string): HttpAnswer {
  const headers = new Map([
    ['Content-Type', 'text/plain; charset=utf-8'],
    ['Cache-Control', 'no-store'],
  ]);
  return { status, headers, body: `${body}\n` };
}

/** Answers requests that are no handshake: health, the configured pages, and an explanation for everything else. */
export function answerRequest(request: TransportRequest, config: EngineConfig, state: EngineState): HttpAnswer {
  const { path, method } = request;
  const page = Object.hasOwn(config.pages, path) ? config.pages[path] : undefined;
  const isHealth = config.health !== false && (path === config.health.live || path === config.health.ready);
  if (page === undefined && !isHealth) {
    const verdict = checkHandshake(request, config);
    // A request that passes every check would have been an upgrade: the socket library did not take its key.
    return verdict.ok ? refusal(400, 'ERR_HANDSHAKE_KEY', 'Sec-WebSocket-Key is not acceptable') : verdict.answer;
  }
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
