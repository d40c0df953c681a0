import type { Envelope } from '../codec/index.ts';
import type { AudienceKind } from '../message/names.ts';
import { RecordReader, readJsonRecord } from './record.ts';
import { type ConnectNotice, type DisconnectNotice, type DisconnectOrder, recordKind } from './record-kind.ts';

/**
 * What a shard does for its own connections. The bytes of an envelope may be a view of a ring: they are valid only during
 * the call.
 */
export interface ShardDelivery {
  /** To those members of an audience that are in this shard. The name of everyone is ''. */
  deliverToAudience(kind: AudienceKind, name: string, envelope: Envelope): void;
  deliverToConnection(connectionId: string, envelope: Envelope): void;
  closeConnection(order: DisconnectOrder): void;
}

/** What main does with what shards tell of their connections. The bytes of an envelope are valid only during the call. */
export interface NoticeListener {
  onConnectNotice(notice: ConnectNotice): void;
  /** `clientId` of the envelope is the id of the connection. */
  onMessageNotice(envelope: Envelope): void;
  onDisconnectNotice(notice: DisconnectNotice): void;
}

const audienceKinds: readonly AudienceKind[] = ['channel', 'room', 'everyone'];
/** The audience by kind of record. */
const audienceOfRecord: (AudienceKind | undefined)[] = [];
for (const kind of audienceKinds) audienceOfRecord[recordKind[kind]] = kind;

/** Reads the records of other threads in a shard. */
export class DeliveryDispatch {
  readonly #reader = new RecordReader();
  readonly #delivery: ShardDelivery;

  constructor(delivery: ShardDelivery) {
    this.#delivery = delivery;
  }

  dispatchDelivery(kind: number, bytes: Uint8Array, offset: number, length: number): void {
    if (kind === recordKind.disconnect) {
      this.#delivery.closeConnection(readJsonRecord(bytes, offset, length) as DisconnectOrder);
      return;
    }
    const audience = audienceOfRecord[kind];
    if (audience === undefined && kind !== recordKind.connection) return;
    const { address, envelope } = this.#reader.readEnvelope(bytes, offset);
    if (audience === undefined) this.#delivery.deliverToConnection(address, envelope);
    else this.#delivery.deliverToAudience(audience, address, envelope);
  }
}

/** Reads the records of shards in main. */
export class NoticeDispatch {
  readonly #reader = new RecordReader();
  readonly #listener: NoticeListener;

  constructor(listener: NoticeListener) {
    this.#listener = listener;
  }

  dispatchNotice(kind: number, bytes: Uint8Array, offset: number, length: number): void {
    if (kind === recordKind.messageNotice) {
      this.#listener.onMessageNotice(this.#reader.readEnvelope(bytes, offset).envelope);
    } else if (kind === recordKind.connectNotice) {
      this.#listener.onConnectNotice(readJsonRecord(bytes, offset, length) as ConnectNotice);
    } else if (kind === recordKind.disconnectNotice) {
      this.#listener.onDisconnectNotice(readJsonRecord(bytes, offset, length) as DisconnectNotice);
    }
  }
}
