import type { LogLevel } from '../../shared/bus/ipc.ts';
import type { EngineLogger } from './engine-options.ts';

const silent = (): void => undefined;
const silentLogger: EngineLogger = { debug: silent, info: silent, warn: silent, error: silent } as EngineLogger;

/**
 * Whether a logger writes debug lines: as it says itself (`isLevelEnabled`, as pino), or by its level. One that says
 * neither gets none, because a line for each connection is much.
 */
export function wantsDebug(logger: EngineLogger): boolean {
  const isLevelEnabled: unknown = Reflect.get(logger, 'isLevelEnabled');
  if (typeof isLevelEnabled === 'function') return Reflect.apply(isLevelEnabled, logger, ['debug']) === true;
  const level: unknown = Reflect.get(logger, 'level');
  return level === 'debug' || level === 'trace';
}

/** A logger that throws nothing: a full disk must not end the engine. */
export function guardedLogger(logger: EngineLogger | undefined): EngineLogger {
  if (logger === undefined) return silentLogger;
  const write = (level: LogLevel): ((fields: object, text?: string) => void) => {
    return (fields, text) => {
      try {
        logger[level](fields, text);
      } catch {
        // There is nobody left to tell.
      }
    };
  };
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') } as EngineLogger;
}
