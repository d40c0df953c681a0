import type { ConnectNotice } from '../../shared/bus/record-kind.ts';
import type { CodecName } from '../../shared/codec/index.ts';
import { shardOfConnection } from '../../shared/message/connection-id.ts';
import type { OutgoingMessage } from '../../shared/message/message.ts';
import type { DirectVerdict } from '../../shared/message/verdict.ts';

/** What a remote connection needs of its engine. */
export interface ConnectionSender {
  send(connectionId: string, message: OutgoingMessage): DirectVerdict;
  disconnect(connectionId: string, code?: number, reason?: string): DirectVerdict;
}

/** A connection as listeners in main see it: an address only, because the connection itself is in its shard. */
export class RemoteConnection {
  readonly id: string;
  readonly #engine: ConnectionSender;

  constructor(id: string, engine: ConnectionSender) {
    this.id = id;
    this.#engine = engine;
  }

  /** Index of its shard. */
  get shard(): number {
    return shardOfConnection(this.id);
  }

  /** As `engine.send`. */
  send(message: OutgoingMessage): DirectVerdict {
    return this.#engine.send(this.id, message);
  }

  /** As `engine.disconnect`. */
  disconnect(code?: number, reason?: string): DirectVerdict {
    return this.#engine.disconnect(this.id, code, reason);
  }
}

/** A new connection, with the results of its handshake. */
export class NewConnection extends RemoteConnection {
  readonly name: string;
  readonly codec: CodecName;
  readonly remoteAddress: string;

  constructor(facts: ConnectNotice, engine: ConnectionSender) {
    super(facts.id, engine);
    this.name = facts.name;
    this.codec = facts.codec;
    this.remoteAddress = facts.remoteAddress;
  }
}
