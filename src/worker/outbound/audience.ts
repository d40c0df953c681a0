import type { ShardConnection } from '../connection/shard-connection.ts';
import { nextVariant, variantCount } from '../connection/variants.ts';
import type { Lane } from '../offload/lane.ts';

/**
 * The members of one channel, one room, or everyone, in this shard: their number per variant, and the native topic of
 * each variant. The connections and the socket library know who the members are. Only members that are sealed for alone
 * are listed here.
 */
export class Audience {
  readonly name: string;
  /** Members per variant. */
  readonly counts: number[] = new Array<number>(variantCount).fill(0);
  /** Members with keys or a session of their own, per codec index; undefined: none. */
  readonly individuals: (Set<ShardConnection> | undefined)[] = [undefined, undefined, undefined, undefined];
  /** What waits for the pool, per variant; undefined: nothing does. */
  readonly lanes: (Lane | undefined)[] = [];
  members = 0;
  readonly #number: string;
  readonly #topics: (string | undefined)[] = [];

  /** `number` is the audience's own: no other of this shard has it, now or later. */
  constructor(name: string, number: number) {
    this.name = name;
    this.#number = number.toString(36);
  }

  /**
   * Native topic of a variant: its digit, then the audience's number. The name, which a client may have chosen, is no
   * part of it: the socket library keeps topics in a table that hashes without a seed, so that names made to collide
   * would cost time in the square of their number.
   */
  topicOf(variant: number): string {
    this.#topics[variant] ??= `${variant}${this.#number}`;
    return this.#topics[variant];
  }

  /** Whether anybody here reads this codec, in whatever form. */
  hasMembers(codecIndex: number): boolean {
    if (this.individuals[codecIndex] !== undefined) return true;
    for (let variant = codecIndex; variant >= 0; variant = nextVariant(variant)) {
      if ((this.counts[variant] ?? 0) > 0) return true;
    }
    return false;
  }

  add(connection: ShardConnection): void {
    this.members += 1;
    if (connection.isIndividual) {
      const { codecIndex } = connection;
      const own = this.individuals[codecIndex] ?? new Set();
      this.individuals[codecIndex] = own.add(connection);
      return;
    }
    const { variant } = connection;
    this.counts[variant] = (this.counts[variant] ?? 0) + 1;
    connection.socket?.subscribe(this.topicOf(variant));
  }

  remove(connection: ShardConnection): void {
    this.members -= 1;
    if (connection.isIndividual) {
      const own = this.individuals[connection.codecIndex];
      own?.delete(connection);
      if (own?.size === 0) this.individuals[connection.codecIndex] = undefined;
      return;
    }
    const { variant } = connection;
    this.counts[variant] = (this.counts[variant] ?? 0) - 1;
    connection.socket?.unsubscribe(this.topicOf(variant));
  }
}
