import type { Asker } from '../../shared/bus/ask-port.ts';
import type { FromShard } from '../../shared/bus/ipc.ts';
import type { ShardQuestions } from '../../shared/bus/questions.ts';
import type { EngineConfig } from '../../shared/config/config.ts';
import type { ShardConnection } from '../connection/shard-connection.ts';

/**
 * Clients' own ids, when they must be unique in the engine: main keeps the register, because two connections with one
 * name usually live on different shards. With `allow` nothing is asked.
 */
export class NameClaims {
  readonly #policy: EngineConfig['duplicateName'];
  readonly #main: Asker<ShardQuestions>;
  readonly #post: (message: FromShard) => void;

  constructor(policy: EngineConfig['duplicateName'], main: Asker<ShardQuestions>, post: (message: FromShard) => void) {
    this.#policy = policy;
    this.#main = main;
    this.#post = post;
  }

  /** True: no need to ask. Else a promise that tells whether the name is this connection's now. Never rejects. */
  claim(connection: ShardConnection): true | Promise<boolean> {
    if (this.#policy === 'allow' || connection.name === '') return true;
    const { name, id } = connection;
    // Without an answer this shard has ended, and with it the connection.
    return this.#main.ask('claim-name', { name, connection: id }).catch(() => false);
  }

  release(connection: ShardConnection): void {
    if (this.#policy === 'allow' || connection.name === '') return;
    this.#post({ kind: 'release-name', name: connection.name, connection: connection.id });
  }
}
