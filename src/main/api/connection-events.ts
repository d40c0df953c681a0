import type { EventEmitter } from 'node:events';
import type { NoticeListener } from '../../shared/bus/record-dispatch.ts';
import type { ConnectNotice, DisconnectNotice } from '../../shared/bus/record-kind.ts';
import type { ThreadBus } from '../../shared/bus/thread-bus.ts';
import type { Envelope } from '../../shared/codec/index.ts';
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

/** What main hears of connections: their shards forward only what there is a listener for. */
export class ConnectionEvents implements NoticeListener {
  readonly #options: ConnectionEventsOptions;

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

  onConnectNotice(notice: ConnectNotice): void {
    const { listeners, sender } = this.#options;
    listeners.callListeners('connect', new NewConnection(notice, sender));
  }

  onMessageNotice(envelope: Envelope): void {
    const { listeners, sender } = this.#options;
    const connection = new RemoteConnection(envelope.clientId, sender);
    listeners.callListeners('message', connection, receivedMessage(envelope));
  }

  onDisconnectNotice({ id, code, reason }: DisconnectNotice): void {
    const { listeners, sender } = this.#options;
    listeners.callListeners('disconnect', new RemoteConnection(id, sender), code, reason);
  }
}
