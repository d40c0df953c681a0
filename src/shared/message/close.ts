import { requireWellFormed } from '../base/well-formed.ts';
import { closeReasonLimitBytes, EngineError, isSendableCloseCode } from '../errors/index.ts';

/** Cuts a close reason to what a Close frame holds, at a character boundary (RFC 6455 section 5.5.1). */
export function cutReason(reason: string): string {
  if (Buffer.byteLength(reason) <= closeReasonLimitBytes) return reason;
  let cut = '';
  let bytes = 0;
  for (const character of reason) {
    bytes += Buffer.byteLength(character);
    if (bytes > closeReasonLimitBytes) break;
    cut += character;
  }
  return cut;
}

/** Throws `ERR_CLOSE_CODE_INVALID` or `ERR_TEXT_INVALID` for what a program cannot send in a Close frame. */
export function checkClose(code: number, reason: string): void {
  if (typeof reason !== 'string') {
    throw new EngineError('ERR_CLOSE_CODE_INVALID', 'a close reason is a string', {
      path: 'reason',
      given: reason,
      allowed: 'a string; more than 123 bytes of UTF-8 are cut',
    });
  }
  requireWellFormed('reason', reason);
  if (isSendableCloseCode(code)) return;
  throw new EngineError('ERR_CLOSE_CODE_INVALID', `${code} cannot be sent in a Close frame`, {
    path: 'code',
    given: code,
    allowed: '1000–1003, 1007–1014 or 3000–4999',
  });
}
