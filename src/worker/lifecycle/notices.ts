import { type ConnectNotice, type DisconnectNotice, recordKind } from '../../shared/bus/record.ts';
import { interest, type StateBoard } from '../../shared/memory/engine-memory.ts';
import type { ShardConnection } from '../connection/shard-connection.ts';
import type { ShardLog } from '../handlers/shard-log.ts';
import type { Router } from '../outbound/router.ts';

/** Tells main's listeners, if there are any, of connections that were opened and that have ended. */
export class MainNotices {
  readonly #board: StateBoard;
  readonly #router: Router;
  readonly #log: ShardLog;

  constructor(board: StateBoard, router: Router, log: ShardLog) {
    this.#board = board;
    this.#router = router;
    this.#log = log;
  }

  tellOpened({ id, name, codec, remoteAddress }: ShardConnection): void {
    if ((this.#board.interest & interest.connect) === 0) return;
    this.#notify(recordKind.onConnect, { id, name, codec, remoteAddress });
  }

  tellEnded({ id }: ShardConnection, code: number, reason: string): void {
    if ((this.#board.interest & interest.disconnect) === 0) return;
    this.#notify(recordKind.onDisconnect, { id, code, reason });
  }

  #notify(kind: number, notice: ConnectNotice | DisconnectNotice): void {
    if (this.#router.notify(kind, notice) === 'overloaded') {
      this.#log.write('error', 'main could not be told of a connection: its ring is full', { connection: notice.id });
    }
  }
}
