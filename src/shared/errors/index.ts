export { type CloseCodeName, closeCode, closeReasonLimitBytes, isSendableCloseCode } from './close-code.ts';
export {
  EngineError,
  type EngineErrorDetail,
  type ErrorCode,
  errorCode,
  errorStack,
  errorText,
} from './engine-error.ts';
export { type ErrorFacts, errorFacts, errorTable } from './error-table.ts';
export { refusalOf } from './refusal.ts';
