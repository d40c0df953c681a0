import { Writable } from 'node:stream';
import { pino } from 'pino';
import type { EngineLogger } from '#dist/main/index.js';

export interface LogLine {
  readonly level: number;
  readonly msg: string;
  readonly connection?: string;
  readonly [field: string]: unknown;
}

/** A real pino logger, and what it wrote: the text as it would be in a file, and the lines. */
export interface CapturedLog {
  readonly logger: EngineLogger;
  text(): string;
  lines(): readonly LogLine[];
}

/** pino's numbers of levels. */
export const pinoLevel = { debug: 20, info: 30, warn: 40, error: 50 } as const;

export function captureLog(level: string): CapturedLog {
  const parts: string[] = [];
  const destination = new Writable({
    write(chunk: Buffer, _encoding, done) {
      parts.push(chunk.toString());
      done();
    },
  });
  const text = (): string => parts.join('');
  const lines = (): LogLine[] =>
    text()
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as LogLine);
  return { logger: pino({ level }, destination), text, lines };
}
