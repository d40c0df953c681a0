import type { Logger } from 'pino';
import type { LogLevel } from '../../shared/bus/ipc.ts';

/** The methods of a pino logger that the engine calls. Every logger with these methods will do. */
export type EngineLogger = Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>;

const silent = (): void => undefined;
const silentLogger: EngineLogger = { debug: silent, info: silent, warn: silent, error: silent } as EngineLogger;

/**
 * Whether a logger writes debug lines: what its `isLevelEnabled` answers (pino has one), else what its `level` is. A
 * logger that has neither gets no debug lines, because there is one for each connection.
 */
export function wantsDebug(logger: EngineLogger): boolean {
  const isLevelEnabled: unknown = Reflect.get(logger, 'isLevelEnabled');
  if (typeof isLevelEnabled === 'function') return Reflect.apply(isLevelEnabled, logger, ['debug']) === true;
  const level: unknown = Reflect.get(logger, 'level');
  return level === 'debug' || level === 'trace';
}

/** A logger that never throws: a full disk must not end the engine. */
export function guardedLogger(logger: EngineLogger | undefined): EngineLogger {
  if (logger === undefined) return silentLogger;
  const write = (level: LogLevel): ((fields: object, text?: string) => void) => {
    return (fields, text) => {
      try {
        logger[level](fields, text);
      } catch {
        // The logger is the only place to report to, and it has failed.
      }
    };
  };
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') } as EngineLogger;
}
