import type { EngineConfig } from '../../shared/config/config.ts';
import { closeCode } from '../../shared/errors/index.ts';
import type { ConnectionTally } from '../../shared/memory/connection-tally.ts';
import { type Counters, counter } from '../../shared/memory/counters.ts';
import type { Vitals } from '../../shared/memory/vitals.ts';
import type { ShardConnection } from '../connection/shard-connection.ts';
import type { HandlerHost } from '../handlers/handler-host.ts';
import type { ShardLog } from '../handlers/shard-log.ts';
import type { NameClaims } from '../handshake/name-claims.ts';
import type { Inbox } from '../inbound/inbox.ts';
import type { FanOut, SealingParts } from '../outbound/fan-out.ts';
import type { Hub } from '../outbound/hub.ts';
import type { CloseCause, Socket } from '../transport/transport.ts';
import type { Deadlines } from '../upkeep/deadlines.ts';
import type { Watch } from '../upkeep/watch.ts';
import type { MainNotices } from './notices.ts';

export interface ConnectionLifecycleOptions {
  readonly shard: number;
  readonly config: EngineConfig;
  readonly counters: Counters;
  readonly vitals: Vitals;
  readonly log: ShardLog;
  readonly hub: Hub;
  readonly fanOut: FanOut;
  readonly inbox: Inbox;
  readonly handlers: HandlerHost;
  readonly deadlines: Deadlines;
  readonly names: NameClaims;
  readonly watch: Watch;
  readonly notices: MainNotices;
  /** Null: connections are not limited. */
  readonly tally: ConnectionTally | null;
  /** Null: the engine has no `security` option. */
  readonly sealing: SealingParts | null;
  /** Of this shard, by id. They are added and removed here. */
  readonly connections: Map<string, ShardConnection>;
}

/**
 * The life of a connection, in this order: `openConnection`, its name, admission, the `connect` handler; then
 * `clientLeft`, `endConnection`, `socketGone`. What the client sends meanwhile waits in the inbox.
 */
export class ConnectionLifecycle {
  readonly #options: ConnectionLifecycleOptions;
  readonly #counters: Counters;
  readonly #log: ShardLog;
  readonly #hub: Hub;
  readonly #inbox: Inbox;
  readonly #deadlines: Deadlines;
  readonly #sealing: SealingParts | null;

  constructor(options: ConnectionLifecycleOptions) {
    this.#options = options;
    this.#counters = options.counters;
    this.#log = options.log;
    this.#hub = options.hub;
    this.#inbox = options.inbox;
    this.#deadlines = options.deadlines;
    this.#sealing = options.sealing;
  }

  openConnection(connection: ShardConnection, socket: Socket): void {
    const { connections, watch, names } = this.#options;
    connection.socket = socket;
    connections.set(connection.id, connection);
    watch.startWatching(connection);
    const claim = names.claim(connection);
    if (claim === true) this.#admit(connection);
    else
      this.#inbox.holdFramesUntil(
        connection,
        claim.then((granted) => this.#admitIfNamed(connection, granted)),
      );
  }

  #admitIfNamed(connection: ShardConnection, granted: boolean): void {
    if (!granted) connection.close(closeCode.nameTaken, 'a client with this id is connected');
    else if (connection.isOpen) this.#admit(connection);
    // The client left before the name was granted, so the end of its connection could not release the name.
    else this.#options.names.release(connection);
  }

  /** From here on the connection counts: it can be reached, and its end will be told. */
  #admit(connection: ShardConnection): void {
    connection.isAdmitted = true;
    this.#counters.add(counter.connectionsOpened, 1);
    if (this.#options.config.logsConnections) {
      const { id, codec, remoteAddress } = connection;
      this.#log.write('debug', 'a connection was opened', { connection: id, codec, address: remoteAddress });
    }
    // The `connect` handler may give it keys: nothing meant for everyone goes out before that.
    if (this.#sealing === null) this.#hub.enter(connection);
    else connection.deferred = [];
    this.#options.notices.tellOpened(connection);
    this.#runConnectHandler(connection);
  }

  /** Messages of the connection wait until the handler is done and the connection is greeted. */
  #runConnectHandler(connection: ShardConnection): void {
    const done = this.#options.handlers.callConnect(connection);
    if (done === undefined) {
      this.#greet(connection);
      return;
    }
    const release = this.#inbox.holdFrames(connection);
    const awaited = this.#deadlines.awaitHandler('connect', connection, release);
    connection.connecting = awaited;
    void done.then(() => {
      connection.connecting = null;
      if (!this.#deadlines.stopAwaiting(awaited)) return;
      try {
        this.#greet(connection);
      } finally {
        release();
      }
    });
  }

  /** Its keys are known: begins its session, if it has one, and sends what was deferred. */
  #greet(connection: ShardConnection): void {
    if (this.#sealing === null || !connection.isOpen) return;
    if (this.#sealing.out.greet(connection)) {
      this.#hub.enter(connection);
      const deferred = connection.deferred ?? [];
      connection.deferred = null;
      for (const envelope of deferred) this.#options.fanOut.sendEnvelope(connection, envelope);
      return;
    }
    this.#log.write('error', 'a seal3 or seal2 connection has no key: it is closed', { connection: connection.id });
    connection.close(closeCode.internalError, 'no key');
  }

  /** The client has left. Its earlier messages are handled first, also those in the pool and those that wait for a turn. */
  clientLeft(connection: ShardConnection, code: number, reason: string, cause: CloseCause): void {
    this.#inbox.afterLastFrame(connection, () => this.endConnection(connection, code, reason, cause));
  }

  /** `endCode` and `endReason` are the transport's. If the shard itself decided to close, its code and reason count. */
  endConnection(connection: ShardConnection, endCode: number, endReason: string, cause: CloseCause): void {
    const { code, reason } = connection.closing ?? { code: endCode, reason: endReason };
    connection.socket = null;
    this.#inbox.forgetFrames(connection);
    if (connection.connecting !== null) this.#deadlines.stopAwaiting(connection.connecting);
    connection.connecting = null;
    this.#options.watch.stopWatching(connection);
    if (connection.deferred !== null) {
      this.#counters.add(counter.undeliverable, connection.deferred.length);
      connection.deferred = null;
    }
    this.#options.vitals.countClose(code);
    this.#sealing?.out.forget(connection);
    this.#options.connections.delete(connection.id);
    this.#counters.add(counter.connectionsEnding, 1);
    if (cause === 'tooBig') this.#counters.add(counter.messagesTooLarge, 1);
    if (cause === 'protocolError') this.#counters.add(counter.protocolErrors, 1);
    // Others never heard of a connection that did not get its name.
    if (connection.isAdmitted) this.#endAdmitted(connection, code, reason, cause);
  }

  #endAdmitted(connection: ShardConnection, code: number, reason: string, cause: CloseCause): void {
    this.#hub.exit(connection);
    this.#options.names.release(connection);
    this.#counters.add(counter.connectionsClosed, 1);
    if (this.#options.config.logsConnections) {
      // Without the reason, which is the client's to choose.
      this.#log.write('debug', 'a connection has ended', { connection: connection.id, code, cause });
    }
    this.#options.notices.tellEnded(connection, code, reason);
    this.#options.handlers.callDisconnect(connection, code, reason);
  }

  /** The socket of a connection that has ended is gone: only now its place is free for another one. */
  socketGone(connection: ShardConnection): void {
    this.#counters.add(counter.connectionsEnding, -1);
    this.#options.tally?.leave(this.#options.shard, connection.remoteAddress);
  }
}
