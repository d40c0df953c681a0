import type { Envelope } from '../../shared/codec/index.ts';
import type { NamedAudienceKind } from '../../shared/message/names.ts';
import type { ConnectionPort, ShardConnection } from '../connection/shard-connection.ts';
import type { Inbox } from '../inbound/inbox.ts';
import type { FanOut } from '../outbound/fan-out.ts';
import type { Hub } from '../outbound/hub.ts';
import type { SendVerdict } from '../transport/transport.ts';
import type { Closings } from '../upkeep/closings.ts';

export interface ShardPortOptions {
  readonly takesKeys: boolean;
  readonly hub: Hub;
  readonly fanOut: FanOut;
  readonly closings: Closings;
  readonly inbox: Inbox;
}

/** What the connections of a shard ask of it. One object for all of them. */
export class ShardPort implements ConnectionPort {
  readonly takesKeys: boolean;
  readonly #hub: Hub;
  readonly #fanOut: FanOut;
  readonly #closings: Closings;
  readonly #inbox: Inbox;

  constructor(options: ShardPortOptions) {
    this.takesKeys = options.takesKeys;
    this.#hub = options.hub;
    this.#fanOut = options.fanOut;
    this.#closings = options.closings;
    this.#inbox = options.inbox;
  }

  join(connection: ShardConnection, kind: NamedAudienceKind, name: string): boolean {
    return this.#hub.join(kind, name, connection);
  }

  leave(connection: ShardConnection, kind: NamedAudienceKind, name: string): boolean {
    return this.#hub.leave(kind, name, connection);
  }

  individualize(connection: ShardConnection, become: () => void): void {
    this.#hub.individualize(connection, become);
  }

  send(connection: ShardConnection, envelope: Envelope): SendVerdict {
    return this.#fanOut.sendEnvelope(connection, envelope);
  }

  beginClose(connection: ShardConnection, code: number, reason: string): void {
    this.#closings.begin(connection, code, reason);
    this.#inbox.dropWaitingFrames(connection);
  }
}
