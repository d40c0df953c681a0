/**
 * A copy that another thread can read while this one keeps it. A transferred buffer would be lost with a thread that
 * dies during the job.
 */
export function sharedCopy(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(new SharedArrayBuffer(bytes.length));
  copy.set(bytes);
  return copy;
}

/** A message's payload on its way to several connections. Valid during one delivery. */
export class Payload {
  readonly bytes: Uint8Array;
  #shared: Uint8Array | null = null;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  /** A copy for other threads: one for all that need it. */
  get shared(): Uint8Array {
    this.#shared ??= sharedCopy(this.bytes);
    return this.#shared;
  }
}
