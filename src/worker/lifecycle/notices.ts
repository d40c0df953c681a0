import type { Publisher } from '../../shared/bus/publisher.ts';
import { interest, type StateBoard } from '../../shared/memory/engine-memory.ts';
import type { ShardConnection } from '../connection/shard-connection.ts';
import type { ShardLog } from '../handlers/shard-log.ts';

/** Tells main's listeners, if there are any, of connections that were opened and that have ended. */
export class MainNotices {
  readonly #board: StateBoard;
  readonly #publisher: Publisher;
  readonly #log: ShardLog;

  constructor(board: StateBoard, publisher: Publisher, log: ShardLog) {
    this.#board = board;
    this.#publisher = publisher;
    this.#log = log;
  }

  tellOpened({ id, name, codec, remoteAddress }: ShardConnection): void {
    if ((this.#board.interest & interest.connect) === 0) return;
    this.#logUntold(id, this.#publisher.writeConnectNotice({ id, name, codec, remoteAddress }));
  }

  tellEnded({ id }: ShardConnection, code: number, reason: string): void {
    if ((this.#board.interest & interest.disconnect) === 0) return;
    this.#logUntold(id, this.#publisher.writeDisconnectNotice({ id, code, reason }));
  }

  #logUntold(connection: string, verdict: 'queued' | 'overloaded'): void {
    if (verdict === 'queued') return;
    this.#log.write('error', 'main could not be told of a connection: its ring is full', { connection });
  }
}
