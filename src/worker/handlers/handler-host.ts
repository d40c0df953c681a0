import type { EngineConfig } from '../../shared/config/config.ts';
import { EngineError, errorText } from '../../shared/errors/index.ts';
import type { Handlers, HandlersFactory, ShardApi } from './api.ts';

const handlerNames = ['upgrade', 'connect', 'message', 'disconnect', 'authorize', 'slow'] as const;

function invalid(href: string, what: string, cause?: unknown): EngineError {
  return new EngineError('ERR_HANDLERS_INVALID', `handler module ${href}: ${what}`, {
    path: 'handlers',
    given: href,
    allowed: 'a module whose default export is defineHandlers({ … }) or a function that gives such an object',
    cause,
  });
}

function checkHandlers(value: unknown, href: string): Handlers {
  if (typeof value !== 'object' || value === null) throw invalid(href, 'its default export gives no handlers');
  for (const [name, handler] of Object.entries(value)) {
    if (!(handlerNames as readonly string[]).includes(name)) {
      throw invalid(href, `"${name}" is no handler; handlers are ${handlerNames.join(', ')}`);
    }
    if (typeof handler !== 'function') throw invalid(href, `"${name}" is not a function`);
  }
  return value;
}

type HandlerConfig = Pick<EngineConfig, 'handlers' | 'demandsAuthorize'>;

/** Loads the handler module into this thread. Throws `ERR_HANDLERS_INVALID`, which names what is wrong. */
export async function loadHandlers(config: HandlerConfig, shard: ShardApi): Promise<Handlers> {
  const { handlers: href, demandsAuthorize } = config;
  if (href === null) return {};
  const handlers = await loadModule(href, shard);
  if (demandsAuthorize && handlers.authorize === undefined) {
    throw invalid(href, 'it has no "authorize", which preset "public" demands unless the option "open" is true');
  }
  return handlers;
}

async function loadModule(href: string, shard: ShardApi): Promise<Handlers> {
  let exported: unknown;
  try {
    const module: { readonly default?: unknown } = await import(href);
    exported = module.default;
  } catch (cause) {
    // Node adds the name of our importing file, which would mislead.
    const [text] = errorText(cause).split(' imported from ');
    throw invalid(href, `it cannot be loaded: ${text}`, cause);
  }
  if (typeof exported !== 'function') return checkHandlers(exported, href);
  let made: unknown;
  try {
    made = await (exported as HandlersFactory)(shard);
  } catch (cause) {
    throw invalid(href, `its default export threw: ${errorText(cause)}`, cause);
  }
  return checkHandlers(made, href);
}
