export { createClientNonce, decodeClientNonce, encodeClientNonce } from './client-nonce.ts';
export { type OpenJob, runJob, type SealJob } from './job.ts';
export { checkAesKey, checkHmacKey, type KeySet } from './keys.ts';
export { decrypt, encrypt, sign, verify } from './once.ts';
export { type IncomingFrame, type OutgoingFrame, ServerSession } from './server-session.ts';
