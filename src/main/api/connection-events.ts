import type { EventEmitter } from 'node:events';
import {
  type ConnectNotice,
  type DisconnectNotice,
  RecordReader,
  readJsonRecord,
  recordKind,
} from '../../shared/bus/record.ts';
import type { ThreadBus } from '../../shared/bus/thread-bus.ts';
import { interest, type StateBoard, threadOfShard } from '../../shared/memory/engine-memory.ts';
import { receivedMessage } from '../../shared/message/message.ts';
import type { EngineEvents } from './engine-events.ts';
import type { Listeners } from './listeners.ts';
import { type ConnectionSender, NewConnection, RemoteConnection } from './remote-connection.ts';

export interface ConnectionEventsOptions {
  readonly emitter: EventEmitter<EngineEvents>;
  readonly sender: ConnectionSender;
  readonly listeners: Listeners;
  readonly board: StateBoard;
  readonly bus: ThreadBus;
  readonly shards: number;
}

/** The events of connections in main. Shards forward only events that have a listener. */
export class ConnectionEvents {
  readonly #options: ConnectionEventsOptions;
  readonly #reader = new RecordReader();

  constructor(options: ConnectionEventsOptions) {
    this.#options = options;
    this.watchListeners();
  }

  /** Watches for added and removed listeners. Call it again after all listeners of the emitter were removed. */
  watchListeners(): void {
    const emitter = this.#options.emitter as unknown as EventEmitter;
    // This event comes before the listener is added.
    emitter.on('newListener', (name) => this.update(name));
    emitter.on('removeListener', () => this.update());
  }

  /** Tells shards what to forward. `coming` is the event of a listener that is about to be added. */
  update(coming?: string | symbol): void {
    const { emitter, bus, board, shards } = this.#options;
    let bits = 0;
    for (const name of ['connect', 'message', 'disconnect'] as const) {
      if (name === coming || emitter.listenerCount(name) > 0) bits |= interest[name];
    }
    // Attend first: what a shard forwards after it sees the bits must find a reader.
    for (let shard = 0; shard < shards; shard++) {
      if (bits !== 0) bus.attend(threadOfShard(shard));
      else bus.leave(threadOfShard(shard));
    }
    board.interest = bits;
  }

  /** A record for main. */
  visit(kind: number, bytes: Uint8Array, offset: number, length: number): void {
    const { listeners, sender } = this.#options;
    if (kind === recordKind.onMessage) {
      const { envelope } = this.#reader.read(bytes, offset);
      listeners.call('message', new RemoteConnection(envelope.clientId, sender), receivedMessage(envelope));
    } else if (kind === recordKind.onConnect) {
      const notice = readJsonRecord(bytes, offset, length) as ConnectNotice;
      listeners.call('connect', new NewConnection(notice, sender));
    } else if (kind === recordKind.onDisconnect) {
      const { id, code, reason } = readJsonRecord(bytes, offset, length) as DisconnectNotice;
      listeners.call('disconnect', new RemoteConnection(id, sender), code, reason);
    }
  }
}
