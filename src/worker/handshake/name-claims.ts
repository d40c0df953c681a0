import type { FromShard } from '../../shared/bus/ipc.ts';
import type { EngineConfig } from '../../shared/config/config.ts';
import type { ShardConnection } from '../connection/shard-connection.ts';

/**
 * Clients' own ids, when they must be unique in the engine: main keeps the register, because two
 * connections with one name usually live on different shards. With `allow` nothing is asked.
 */
export class NameClaims {
  readonly #policy: EngineConfig['duplicateName'];
  readonly #post: (message: FromShard) => void;
  readonly #waiting = new Map<number, (granted: boolean) => void>();
  #next = 0;

  constructor(policy: EngineConfig['duplicateName'], post: (message: FromShard) => void) {
    this.#policy = policy;
    this.#post = post;
  }

  /** True: no need to ask. Else a promise that tells whether the name is this connection's now. */
  claim(connection: ShardConnection): true | Promise<boolean> {
    if (this.#policy === 'allow' || connection.name === '') return true;
    this.#next += 1;
    const claim = this.#next;
    this.#post({ kind: 'claim-name', claim, name: connection.name, connection: connection.id });
    return new Promise((resolve) => this.#waiting.set(claim, resolve));
  }

  settle(claim: number, granted: boolean): void {
    this.#waiting.get(claim)?.(granted);
    this.#waiting.delete(claim);
  }

  release(connection: ShardConnection): void {
    if (this.#policy === 'allow' || connection.name === '') return;
    this.#post({ kind: 'release-name', name: connection.name, connection: connection.id });
  }
}
