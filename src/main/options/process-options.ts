import { z } from 'zod';
import type { EngineLogger } from './logger.ts';
import { type Fields, whole } from './option-fields.ts';

/** How the engine starts, ends and logs in this process. Main keeps these: shards never see them. */
export interface ProcessOptions {
  readonly closeGraceMs?: number;
  readonly startTimeoutMs?: number;
  readonly logger?: EngineLogger;
  /** Lets the engine start in a worker thread, which must not be terminated before the engine is closed. */
  readonly insideWorker?: boolean;
}

interface CheckedProcess extends Omit<Required<ProcessOptions>, 'logger'> {
  readonly logger: EngineLogger | undefined;
}

const logMethods = z.custom<EngineLogger>(
  (value) =>
    typeof value === 'object' &&
    value !== null &&
    ['debug', 'info', 'warn', 'error'].every((level) => typeof Reflect.get(value, level) === 'function'),
  'an object with the methods debug, info, warn and error, such as a pino logger',
);

export const processFields: Fields<ProcessOptions, CheckedProcess> = {
  closeGraceMs: whole(0, 600_000).default(1_000),
  startTimeoutMs: whole(100, 600_000).default(30_000),
  logger: logMethods.optional(),
  insideWorker: z.boolean().default(false),
};
