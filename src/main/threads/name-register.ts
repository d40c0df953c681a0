/** The answer to a claim of a name. */
export type NameVerdict = { readonly granted: boolean; readonly replaced: string | null };

/** Which connection holds each client-given name, engine-wide, when names must be unique. */
export class NameRegister {
  readonly #holders = new Map<string, string>();
  readonly #replace: boolean;

  constructor(policy: 'reject' | 'replace') {
    this.#replace = policy === 'replace';
  }

  /** `replaced` is the connection that must be closed. */
  claim(name: string, connection: string): NameVerdict {
    const holder = this.#holders.get(name) ?? null;
    if (holder !== null && !this.#replace) return { granted: false, replaced: null };
    this.#holders.set(name, connection);
    return { granted: true, replaced: holder };
  }

  /** Only the holder releases a name: a replaced connection no longer holds it. */
  release(name: string, connection: string): void {
    if (this.#holders.get(name) === connection) this.#holders.delete(name);
  }

  /** Forgets the names of connections that ended with their shard. */
  releaseAll(belongs: (connection: string) => boolean): void {
    for (const [name, connection] of this.#holders) if (belongs(connection)) this.#holders.delete(name);
  }
}
