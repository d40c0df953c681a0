import { codecs } from '../shared/codec/index.ts';

const codecCount = 4;

/**
 * The members of one channel, one room, or everyone, in this shard: how many there are per codec, and the native topic
 * of each codec. Who they are is known to the connections and to the socket library, not here.
 */
export class Audience {
  readonly name: string;
  /** Members per codec index. */
  readonly counts: number[] = new Array<number>(codecCount).fill(0);
  /** Native topic per codec index. */
  readonly topics: readonly string[];
  members = 0;

  /** `prefix` keeps channels, rooms and everyone apart. */
  constructor(prefix: string, name: string) {
    this.name = name;
    this.topics = codecs.map((codec) => `${prefix}${codec.index}/${name}`);
  }

  topicOf(codecIndex: number): string {
    return this.topics[codecIndex] ?? '';
  }

  add(codecIndex: number): void {
    this.counts[codecIndex] = (this.counts[codecIndex] ?? 0) + 1;
    this.members += 1;
  }

  remove(codecIndex: number): void {
    this.counts[codecIndex] = (this.counts[codecIndex] ?? 0) - 1;
    this.members -= 1;
  }
}
