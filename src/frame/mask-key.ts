import { randomFillSync } from 'node:crypto';

const keysPerFill = 1_024;
const keys = new Int32Array(keysPerFill);
let next = keysPerFill;

/** A masking key from the system's secure generator, which is asked for many at once. */
export function randomMaskKey(): number {
  if (next === keysPerFill) {
    randomFillSync(keys);
    next = 0;
  }
  const key = keys[next] as number;
  // A used key is not left for a later reader of this memory.
  keys[next] = 0;
  next += 1;
  return key;
}
