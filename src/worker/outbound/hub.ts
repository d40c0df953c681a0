import { randomInt } from 'node:crypto';
import type { EngineConfig } from '../../shared/config/config.ts';
import { type ErrorCode, refusalOf } from '../../shared/errors/index.ts';
import { type Counters, counter } from '../../shared/memory/counters.ts';
import { checkName, type NamedAudienceKind } from '../../shared/message/names.ts';
import type { ShardConnection } from '../connection/shard-connection.ts';
import type { Lane } from '../offload/lane.ts';
import { Audience } from './audience.ts';

/** Numbers of audiences begin somewhere below this. */
const firstNumberLimit = 2 ** 40;

interface Rules {
  readonly limit: number;
  readonly limitCode: ErrorCode;
  readonly gauge: number;
}

/** Who is in which channel and room of this shard. A channel or room exists while it has members. */
export class Hub {
  /**
   * Number of the next audience. Numbers are never used twice: messages that wait for a former audience, and members of its
   * topics, cannot be mixed up with those of a later one. The first number is random, so that no client can choose which
   * topics exist at the same time by making and leaving channels.
   */
  #nextNumber = randomInt(firstNumberLimit);
  readonly everyone: Audience = this.#create('');
  readonly #audiences: Record<NamedAudienceKind, Map<string, Audience>> = { channel: new Map(), room: new Map() };
  readonly #rules: Record<NamedAudienceKind, Rules>;
  readonly #nameLimit: number;
  readonly #membershipBytes: number;
  readonly #counters: Counters;

  constructor(limits: EngineConfig['limits'], counters: Counters) {
    this.#counters = counters;
    this.#nameLimit = limits.channelNameBytes;
    this.#membershipBytes = limits.membershipBytes;
    this.#rules = {
      channel: {
        limit: limits.channelsPerConnection,
        limitCode: 'ERR_LIMIT_CHANNELS',
        gauge: counter.channels,
      },
      room: {
        limit: limits.roomsPerConnection,
        limitCode: 'ERR_LIMIT_ROOMS',
        gauge: counter.rooms,
      },
    };
  }

  /** The members of a channel or room in this shard; undefined: none. */
  findAudience(kind: NamedAudienceKind, name: string): Audience | undefined {
    return this.#audiences[kind].get(name);
  }

  /**
   * Throws `ERR_CHANNEL_INVALID`, `ERR_ROOM_INVALID` or `ERR_TEXT_INVALID` for what cannot be a name. The error is for the
   * client and has no stack, see `refusalOf`.
   */
  checkNameOfClient(kind: NamedAudienceKind, name: string): void {
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    try {
      checkName(kind, name, this.#nameLimit);
    } finally {
      Error.stackTraceLimit = stackTraceLimit;
    }
  }

  enter(connection: ShardConnection): void {
    connection.isEntered = true;
    this.everyone.add(connection);
  }

  /** True: newly joined. Throws if the name is bad, or the connection is in too many or in too many bytes of names. */
  join(kind: NamedAudienceKind, name: string, connection: ShardConnection): boolean {
    checkName(kind, name, this.#nameLimit);
    if (!connection.isOpen) return false;
    const { limit, limitCode, gauge } = this.#rules[kind];
    const memberships = connection.memberships(kind);
    if (memberships.has(name)) return false;
    if (memberships.size >= limit) {
      throw refusalOf(limitCode, `a connection may be in at most ${limit} ${kind}s`, {
        path: kind,
        given: limit,
      });
    }
    const bytes = connection.membershipBytes + Buffer.byteLength(name);
    if (bytes > this.#membershipBytes) {
      const most = this.#membershipBytes;
      const text = `the names of a connection's channels and rooms may have ${most} bytes in total`;
      throw refusalOf('ERR_LIMIT_MEMBERSHIP_BYTES', text, { path: kind, given: bytes, allowed: `${most} bytes` });
    }
    const audiences = this.#audiences[kind];
    let audience = audiences.get(name);
    if (audience === undefined) {
      audience = this.#create(name);
      audiences.set(name, audience);
      this.#counters.set(gauge, audiences.size);
    }
    audience.add(connection);
    memberships.add(name);
    connection.membershipBytes = bytes;
    return true;
  }

  /** True: it was a member. */
  leave(kind: NamedAudienceKind, name: string, connection: ShardConnection): boolean {
    if (!connection.memberships(kind).delete(name)) return false;
    connection.membershipBytes -= Buffer.byteLength(name);
    const audience = this.#audiences[kind].get(name);
    if (audience !== undefined) this.#remove(kind, audience, connection);
    return true;
  }

  /**
   * From here on the connection is sealed for alone. `become` makes it so. During that call the connection is taken out
   * of its audiences.
   */
  individualize(connection: ShardConnection, become: () => void): void {
    const audiences = this.#audiencesOf(connection);
    for (const audience of audiences) {
      // What the pool still has was published for it, too.
      audience.lanes[connection.variant]?.finishNow();
      audience.remove(connection);
    }
    become();
    for (const audience of audiences) audience.add(connection);
  }

  /** Lanes of the audiences that the connection is in: messages in them are for this connection, too. */
  lanesOf(connection: ShardConnection): Lane[] {
    if (connection.isIndividual) return [];
    const lanes = this.#audiencesOf(connection).map((audience) => audience.lanes[connection.variant]);
    return lanes.filter((lane) => lane !== undefined);
  }

  #create(name: string): Audience {
    const audience = new Audience(name, this.#nextNumber);
    this.#nextNumber += 1;
    return audience;
  }

  #audiencesOf(connection: ShardConnection): Audience[] {
    const audiences: Audience[] = [];
    if (connection.isEntered) audiences.push(this.everyone);
    for (const kind of ['channel', 'room'] as const) {
      for (const name of connection.memberships(kind)) {
        const audience = this.#audiences[kind].get(name);
        if (audience !== undefined) audiences.push(audience);
      }
    }
    return audiences;
  }

  /** Forgets a connection that has ended. Its native topics went with its socket. */
  exit(connection: ShardConnection): void {
    if (connection.isEntered) this.everyone.remove(connection);
    connection.isEntered = false;
    for (const kind of ['channel', 'room'] as const) {
      const memberships = connection.memberships(kind);
      for (const name of memberships) {
        const audience = this.#audiences[kind].get(name);
        if (audience !== undefined) this.#remove(kind, audience, connection);
      }
      memberships.clear();
    }
    connection.membershipBytes = 0;
  }

  #remove(kind: NamedAudienceKind, audience: Audience, connection: ShardConnection): void {
    audience.remove(connection);
    if (audience.members > 0) return;
    const audiences = this.#audiences[kind];
    audiences.delete(audience.name);
    this.#counters.set(this.#rules[kind].gauge, audiences.size);
  }
}
