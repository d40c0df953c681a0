/** Bytes of the number in a message by which its answer is recognised. */
export const sequenceDigits = 8;
/** Bytes of a fan-out's stamp: run (8), publisher (4), sequence (8), microseconds (12), all hexadecimal. */
export const stampDigits = 32;

const runDigits = 8;
const publisherDigits = 4;
const timeDigits = 12;

const digits: Uint8Array = Buffer.from('0123456789abcdef');

/** Value of each byte as a lower-case hexadecimal digit; 255: it is none. */
const values: Uint8Array = new Uint8Array(256).fill(255);
for (let value = 0; value < 16; value++) values[digits[value] as number] = value;

/** Writes `count` digits at `bytes[at …]`; `value` is less than 2^53. */
function writeHex(bytes: Uint8Array, at: number, count: number, value: number): void {
  let rest = value;
  for (let place = at + count - 1; place >= at; place--) {
    const higher = Math.floor(rest / 16);
    bytes[place] = digits[rest - higher * 16] as number;
    rest = higher;
  }
}

/** The number of `count` digits at `bytes[at …]`, or -1 if there is something else. */
function readHex(bytes: Uint8Array, at: number, count: number): number {
  let value = 0;
  for (let place = at; place < at + count; place++) {
    const digit = values[bytes[place] ?? 0] as number;
    if (digit === 255) return -1;
    value = value * 16 + digit;
  }
  return value;
}

export function writeSequence(bytes: Uint8Array, at: number, sequence: number): void {
  writeHex(bytes, at, sequenceDigits, sequence);
}

/** -1: there is none. */
export function readSequence(bytes: Uint8Array, at: number): number {
  return readHex(bytes, at, sequenceDigits);
}

/** The content of a publish's stamp. */
export interface Stamp {
  publisher: number;
  sequence: number;
  /** On the clock of `now()`; 0: a probe, which is not counted. */
  timeMs: number;
}

/** The run's digits stand there already. */
export function writeStamp(bytes: Uint8Array, at: number, stamp: Stamp): void {
  writeHex(bytes, at + runDigits, publisherDigits, stamp.publisher);
  writeHex(bytes, at + runDigits + publisherDigits, sequenceDigits, stamp.sequence);
  writeHex(bytes, at + runDigits + publisherDigits + sequenceDigits, timeDigits, Math.round(stamp.timeMs * 1_000));
}

/** Reads into `stamp` what stands behind the run's digits at `bytes[at …]`; false: no stamp is there. */
export function readStamp(bytes: Uint8Array, at: number, stamp: Stamp): boolean {
  if (bytes.length < at + stampDigits) return false;
  const publisher = readHex(bytes, at + runDigits, publisherDigits);
  const sequence = readHex(bytes, at + runDigits + publisherDigits, sequenceDigits);
  const micros = readHex(bytes, at + runDigits + publisherDigits + sequenceDigits, timeDigits);
  if (publisher < 0 || sequence < 0 || micros < 0) return false;
  stamp.publisher = publisher;
  stamp.sequence = sequence;
  stamp.timeMs = micros / 1_000;
  return true;
}
