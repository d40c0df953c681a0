export type CloseCodeName =
  | 'normal'
  | 'goingAway'
  | 'protocolError'
  | 'invalidPayload'
  | 'messageTooBig'
  | 'internalError'
  | 'serviceRestart'
  | 'restart'
  | 'slowConsumer'
  | 'noPong'
  | 'badMessage'
  | 'sealFailed'
  | 'nameReplaced'
  | 'limitExceeded'
  | 'nameTaken';

/**
 * WebSocket close codes that the engine sends (RFC 6455 section 7.4 and the IANA registry up to 1014, then our own).
 * 3000–3499 mean "come back", 3500–3999 mean "do not"; 4000–4999 belong to applications.
 */
export const closeCode: Readonly<Record<CloseCodeName, number>> = Object.freeze({
  normal: 1000,
  goingAway: 1001,
  protocolError: 1002,
  invalidPayload: 1007,
  messageTooBig: 1009,
  internalError: 1011,
  serviceRestart: 1012,
  restart: 3001,
  slowConsumer: 3008,
  noPong: 3012,
  badMessage: 3501,
  sealFailed: 3502,
  nameReplaced: 3503,
  limitExceeded: 3504,
  nameTaken: 3505,
});

/** Whether a program may put this code into a Close frame: 1000–1003, 1007–1014, 3000–4999 (RFC 6455 section 7.4). */
export function isSendableCloseCode(code: number): boolean {
  if (!Number.isInteger(code)) return false;
  if (code >= 3000) return code <= 4999;
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014);
}

/** A close reason holds at most this many bytes of UTF-8 (RFC 6455 section 5.5: 125 less the code). */
export const closeReasonLimitBytes = 123;
