import { SIZEOF_INT, SIZEOF_SHORT } from 'flatbuffers';
import { malformed } from './malformed.ts';

/** The size of an offset, of a length, and of a table without fields. */
const wordBytes: number = SIZEOF_INT;
/** A vtable begins with its own size and that of its tables; then comes one 16-bit field offset per slot. */
const vtableStartBytes: number = 2 * SIZEOF_SHORT;

/**
 * Finds the parts of a FlatBuffers message whose bytes cannot be trusted. Each position is checked against the message
 * before anything is read there. Each number is read once, so another thread that writes to the memory cannot change it
 * between check and use. Sums of 32-bit offsets are exact in a double: nothing wraps.
 *
 * More is accepted than a writer produces: parts in any order, shared or overlapping, aligned or not; missing or
 * unknown slots; strings without a NUL (readers in Go do not need it either). Only the root and one offset per slot are
 * followed, so no message costs more than its length.
 *
 * It keeps numbers only and holds no message in memory.
 */
export class RootTable {
  #table = 0;
  #tableBytes = 0;
  #vtable = 0;
  #vtableBytes = 0;
  #vectorBytes = 0;

  /**
   * Finds the root table; the other methods then go by it and want the same bytes.
   *
   * @throws EngineError with code ERR_MESSAGE_MALFORMED, as all methods here
   */
  open(bytes: Uint8Array): void {
    const end = bytes.length;
    if (end < wordBytes) throw malformed(end, 'unexpected end');
    const table = readUint32(bytes, 0);
    if (table < wordBytes || table + wordBytes > end) throw malformed(0, 'root table outside the message');
    // The distance back to the vtable is signed: a vtable may also come after its table.
    const vtable = table - (readUint32(bytes, table) | 0);
    if (vtable < wordBytes || vtable + vtableStartBytes > end) throw malformed(table, 'vtable outside the message');
    const vtableBytes = readUint16(bytes, vtable);
    if (vtableBytes < vtableStartBytes || (vtableBytes & 1) !== 0 || vtable + vtableBytes > end) {
      throw malformed(vtable, 'bad vtable size');
    }
    const tableBytes = readUint16(bytes, vtable + 2);
    if (tableBytes < wordBytes || table + tableBytes > end) throw malformed(vtable + 2, 'bad table size');
    this.#table = table;
    this.#tableBytes = tableBytes;
    this.#vtable = vtable;
    this.#vtableBytes = vtableBytes;
  }

  /** Where the field in that slot is, `width` bytes of it within the table, or 0 if the table does not have it. */
  field(bytes: Uint8Array, slot: number, width: number): number {
    const entry = vtableStartBytes + slot * SIZEOF_SHORT;
    if (entry >= this.#vtableBytes) return 0;
    const offset = readUint16(bytes, this.#vtable + entry);
    if (offset === 0) return 0;
    if (offset < wordBytes || offset + width > this.#tableBytes) {
      throw malformed(this.#vtable + entry, 'field outside its table');
    }
    return this.#table + offset;
  }

  /**
   * Where the bytes of the string or byte vector in that slot begin, or 0 if the table does not have it. `vectorBytes`
   * then tells how many they are.
   */
  vector(bytes: Uint8Array, slot: number): number {
    const at = this.field(bytes, slot, wordBytes);
    this.#vectorBytes = 0;
    if (at === 0) return 0;
    const offset = readUint32(bytes, at);
    const start = at + offset + wordBytes;
    if (offset < wordBytes || start > bytes.length) throw malformed(at, 'offset outside the message');
    const length = readUint32(bytes, start - wordBytes);
    if (start + length > bytes.length) throw malformed(start - wordBytes, 'length outside the message');
    this.#vectorBytes = length;
    return start;
  }

  /** The length of what the last `vector` found; 0 if it found nothing. */
  get vectorBytes(): number {
    return this.#vectorBytes;
  }
}

function readUint16(bytes: Uint8Array, at: number): number {
  return (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
}

/** Little-endian and by bytes: works at any alignment, without a DataView per message. */
export function readUint32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)) >>>
    0
  );
}
