import { errorCode } from '../../shared/errors/index.ts';

/** A short, stable name for what went wrong: its code, and what tells a refusal or a failure to connect from others. */
export function errorKind(error: unknown): string {
  const code = errorCode(error) ?? 'unknown';
  if (code === 'ERR_DIAL_STATUS' && error instanceof Error && 'given' in error) return `${code} ${error.given}`;
  if (code !== 'ERR_DIAL_CONNECT' || !(error instanceof Error)) return code;
  const cause = errorCode(error.cause);
  return cause === undefined ? code : `${code} ${cause}`;
}
