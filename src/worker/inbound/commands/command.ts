import type { Publisher } from '../../../shared/bus/publisher.ts';
import type { Envelope } from '../../../shared/codec/index.ts';
import type { EngineError } from '../../../shared/errors/index.ts';
import type { AudienceKind } from '../../../shared/message/names.ts';
import type { PublishVerdict } from '../../../shared/message/verdict.ts';
import type { ShardConnection } from '../../connection/shard-connection.ts';
import type { Action } from '../../handlers/api.ts';
import type { Hub } from '../../outbound/hub.ts';

/** What one control message asks for. */
export interface CommandRequest {
  /** Of the channel or room; '' for everyone. */
  readonly name: string;
  /**
   * What is published, without the sender's `id`, which means nothing to others; of a command that does not publish, the
   * control message itself.
   */
  readonly envelope: Envelope;
}

/** The parts of the shard that commands use. */
export interface CommandParts {
  readonly hub: Hub;
  readonly publisher: Publisher;
}

/** A control message: how it is read, who may send it, and what it does. One file per type, one row in table.ts. */
export interface Command {
  /** What `authorize` is asked; null: every client may, and the name is not checked. */
  readonly action: Action | null;
  /** Whether a client may where there is no `authorize` handler. */
  readonly isAllowedByDefault: boolean;
  /** What the name is the name of. */
  readonly target: AudienceKind;
  /** Whether it takes memory that stays taken: refused while the heap is nearly full. */
  readonly takesMemory: boolean;
  /**
   * Whether it publishes the request's envelope. Such a command is also done for a client that left while `authorize`
   * was awaited: the message came before.
   */
  readonly publishes: boolean;
  /** Throws an `EngineError` whose code and text are for the client. */
  readRequest(connection: ShardConnection, envelope: Envelope): CommandRequest;
  /** Why this sender may not, at this moment; null: it may. */
  checkSender(connection: ShardConnection, request: CommandRequest): EngineError | null;
  /** `queued`: done. Throws an `EngineError` for the client. */
  perform(parts: CommandParts, connection: ShardConnection, request: CommandRequest): PublishVerdict;
}

/** `checkSender` of commands that depend on nothing but `authorize`. */
export function allowSender(): null {
  return null;
}
