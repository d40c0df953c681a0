import { Fifo } from '../../shared/base/fifo.ts';
import { type Counters, counter } from '../../shared/memory/counters.ts';
import type { ShardConnection } from '../connection/shard-connection.ts';

/** What a connection has taken of a turn. */
export interface TurnState {
  /** The turn that `turnCost` is about. */
  turn: number;
  turnCost: number;
  /** The cost at which the clock is looked at. */
  turnLook: number;
  /** Whether it has had its share, and what it says waits for a later turn. */
  isHeldForTurn: boolean;
}

/**
 * A message or control frame costs this, and a quarter of its bytes: so a turn's budget is 1,024 small messages, or 4 MiB
 * of large ones, or the time below, whichever comes first.
 */
const frameCost = 1_024;
const turnBudget = 1_048_576;
const lookEvery = 16 * frameCost;
/** For the messages of all those together that send so many that the clock is looked at. */
const turnMs = 8;

/**
 * Gives each connection its turn. The socket library hands over everything that one read has brought, and reads whoever
 * has sent more again at once, so that one client could keep the thread for as long as it sends. Here each connection has
 * a budget per turn of the shard's loop. One that has used it up is held: its messages wait, and are handled in later
 * turns, one connection after the other, a budget at a time.
 *
 * A turn begins again when somebody's cost made the shard look at the clock and the loop has come around; until then the
 * costs of quiet turns add up, which makes no difference to anybody. So the usual message pays two comparisons.
 */
export class Turns {
  readonly #counters: Counters;
  readonly #resume: (connection: ShardConnection) => void;
  readonly #held = new Fifo<ShardConnection>();
  #turn = 1;
  /** When the clock was first looked at in this turn. */
  #startedAt = 0;
  #ends = false;
  #serves = false;

  /** `resume`: the connection's turn has come; it may spend another budget. */
  constructor(counters: Counters, resume: (connection: ShardConnection) => void) {
    this.#counters = counters;
    this.#resume = resume;
  }

  /** Counts a message or control frame of so many bytes. False: the connection has had its share. */
  spend(connection: ShardConnection, bytes: number): boolean {
    if (connection.turn !== this.#turn) this.#begin(connection);
    connection.turnCost += frameCost + (bytes >>> 2);
    return connection.turnCost < connection.turnLook || this.#look(connection);
  }

  /** From here on what the connection sends waits, until its turn comes. */
  hold(connection: ShardConnection): void {
    if (connection.isHeldForTurn) return;
    this.#counters.add(counter.turnsHeld, 1);
    connection.isHeldForTurn = true;
    connection.holds += 1;
    this.#held.push(connection);
    if (this.#serves) return;
    this.#serves = true;
    setImmediate(this.#serve);
  }

  #begin(connection: ShardConnection): void {
    connection.turn = this.#turn;
    connection.turnCost = 0;
    connection.turnLook = lookEvery;
  }

  #look(connection: ShardConnection): boolean {
    const now = performance.now();
    if (!this.#ends) {
      this.#ends = true;
      this.#startedAt = now;
      setImmediate(this.#end);
    }
    connection.turnLook = connection.turnCost + lookEvery;
    return connection.turnCost < turnBudget && now - this.#startedAt < turnMs;
  }

  readonly #end = (): void => {
    this.#ends = false;
    this.#turn += 1;
  };

  /** At least one of those that are held has its turn, and more while there is time. */
  readonly #serve = (): void => {
    const until = performance.now() + turnMs;
    try {
      let left = this.#held.length;
      do {
        const connection = this.#held.shift();
        if (connection === undefined) break;
        left -= 1;
        connection.isHeldForTurn = false;
        this.#turn += 1;
        this.#startedAt = performance.now();
        this.#resume(connection);
      } while (left > 0 && performance.now() < until);
    } finally {
      this.#serves = this.#held.length > 0;
      if (this.#serves) setImmediate(this.#serve);
    }
  };
}
