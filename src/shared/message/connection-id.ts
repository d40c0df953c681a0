/**
 * A connection's id: `<shard>-<incarnation>-<sequence>`, in base 36. The shard is read from the id alone, so that any
 * thread can address any connection without a table. The incarnation is random per start of a shard: an id of an
 * earlier engine, or of a shard that was replaced, never names a later connection.
 */
export class ConnectionIds {
  readonly #prefix: string;
  #sequence = 0;

  constructor(shard: number, incarnation: string) {
    this.#prefix = `${shard.toString(36)}-${incarnation}-`;
  }

  next(): string {
    this.#sequence += 1;
    return this.#prefix + this.#sequence.toString(36);
  }
}

/** The shard that owns the connection `id`, or -1 if this is no id of a connection. */
export function shardOfConnection(id: string): number {
  const dash = id.indexOf('-');
  if (dash < 1 || dash > 2) return -1;
  let shard = 0;
  for (let i = 0; i < dash; i++) {
    const c = id.charCodeAt(i);
    const digit = c >= 48 && c <= 57 ? c - 48 : c >= 97 && c <= 122 ? c - 87 : -1;
    if (digit < 0) return -1;
    shard = shard * 36 + digit;
  }
  return shard;
}
