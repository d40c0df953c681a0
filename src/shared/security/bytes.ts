import { EngineError } from '../errors/index.ts';
import { badFormat, tooLarge } from './failures.ts';

/** Node's crypto takes less than 2 GiB at once. This leaves room for every header, nonce, tag and signature. */
export const largestBytes: number = 2 ** 31 - 1024;

/** Also those of another realm, such as a frame's or a test runner's. */
export function isBytes(value: unknown): value is Uint8Array {
  return (
    value instanceof Uint8Array ||
    (ArrayBuffer.isView(value) && Reflect.get(value, Symbol.toStringTag) === 'Uint8Array')
  );
}

/** What a caller wants to seal. */
export function checkPlaintext(value: Uint8Array): void {
  if (!isBytes(value)) {
    throw new EngineError('ERR_MESSAGE_INVALID', 'what is sealed must be a Uint8Array', {
      path: 'plaintext',
      given: typeof value,
      allowed: 'a Uint8Array',
    });
  }
  if (value.length > largestBytes) throw tooLarge('the message', largestBytes);
}

/** What a peer sent. */
export function checkSealed(value: Uint8Array): void {
  if (!isBytes(value)) throw badFormat(`expected a Uint8Array, got ${typeof value}`);
  if (value.length > largestBytes) throw tooLarge('the sealed message', largestBytes);
}

/** The same bytes in an ArrayBuffer of exactly their size. */
export function copyOf(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(bytes.length);
  copy.set(bytes);
  return copy;
}

/** Bytes that nobody else can change while we look at them: a copy if their memory is shared. */
export function unshared(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return isShared(bytes) ? copyOf(bytes) : (bytes as Uint8Array<ArrayBuffer>);
}

function isShared(bytes: Uint8Array): boolean {
  return typeof SharedArrayBuffer !== 'undefined' && bytes.buffer instanceof SharedArrayBuffer;
}
