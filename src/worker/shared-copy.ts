/**
 * A copy that another thread can read while this one keeps it. Were it handed over instead, it would be gone together
 * with a thread that dies at work.
 */
export function sharedCopy(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(new SharedArrayBuffer(bytes.length));
  copy.set(bytes);
  return copy;
}
