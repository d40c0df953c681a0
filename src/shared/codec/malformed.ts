import { type EngineError, refusalOf } from '../errors/index.ts';

/** The codecs' one error for what a peer sent: what is wrong, and at which byte of the message. */
export function malformed(offset: number, what: string): EngineError {
  return refusalOf('ERR_MESSAGE_MALFORMED', `message malformed at byte ${offset}: ${what}`);
}
