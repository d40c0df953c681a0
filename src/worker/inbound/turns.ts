import { Fifo } from '../../shared/base/fifo.ts';
import { type Counters, counter } from '../../shared/memory/counters.ts';
import type { ShardConnection } from '../connection/shard-connection.ts';

/** How much of a turn a connection has used. */
interface TurnState {
  /** The turn that `turnCost` is about. */
  turn: number;
  turnCost: number;
  /** The cost at which the clock is read. */
  turnLook: number;
}

/**
 * A message or control frame costs this, and a quarter of its bytes: so a turn's budget is 1,024 small messages, or 4 MiB
 * of large ones, or the time below, whichever comes first.
 */
const frameCost = 1_024;
const turnBudget = 1_048_576;
const lookEvery = 16 * frameCost;
/** For all connections together that send enough to have the clock read. */
const turnMs = 8;

/**
 * Gives each connection its turn. The socket library hands over everything that one read has brought, and reads a socket
 * that has more again at once: a hostile client could keep the thread for as long as it sends. So each connection has a
 * budget per turn of the shard's loop. A connection that has used it up is held: its messages wait, and are handled in
 * later turns, one connection after the other, a budget at a time.
 *
 * A new turn begins when the cost of some connection made the shard read the clock and the loop has come around. Until
 * then the costs of quiet turns add up, which holds nobody. So the usual message pays two comparisons.
 */
export class Turns {
  readonly #counters: Counters;
  readonly #resumeTurn: (connection: ShardConnection) => void;
  readonly #held = new Fifo<ShardConnection>();
  #turn = 1;
  /** When the clock was first read in this turn. */
  #startedAt = 0;
  #isEnding = false;
  #isServing = false;

  /** `resume`: the connection's turn has come; it may spend another budget. */
  constructor(counters: Counters, resume: (connection: ShardConnection) => void) {
    this.#counters = counters;
    this.#resumeTurn = resume;
  }

  /** Counts a message or control frame of so many bytes. False: the connection's budget is used up. */
  spendTurn(connection: ShardConnection, bytes: number): boolean {
    if (connection.turn !== this.#turn) this.#beginTurn(connection);
    connection.turnCost += frameCost + (bytes >>> 2);
    return connection.turnCost < connection.turnLook || this.#readClock(connection);
  }

  /** From here on what the connection sends waits, until its turn comes. */
  holdForTurn(connection: ShardConnection): void {
    if (connection.isHeldForTurn) return;
    this.#counters.add(counter.turnsHeld, 1);
    connection.isHeldForTurn = true;
    connection.holds += 1;
    this.#held.push(connection);
    if (this.#isServing) return;
    this.#isServing = true;
    setImmediate(this.#serveHeld);
  }

  #beginTurn(state: TurnState): void {
    state.turn = this.#turn;
    state.turnCost = 0;
    state.turnLook = lookEvery;
  }

  #readClock(state: TurnState): boolean {
    const now = performance.now();
    if (!this.#isEnding) {
      this.#isEnding = true;
      this.#startedAt = now;
      setImmediate(this.#endTurn);
    }
    state.turnLook = state.turnCost + lookEvery;
    return state.turnCost < turnBudget && now - this.#startedAt < turnMs;
  }

  readonly #endTurn = (): void => {
    this.#isEnding = false;
    this.#turn += 1;
  };

  /** Gives at least one held connection its turn, and more while there is time. */
  readonly #serveHeld = (): void => {
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
        this.#resumeTurn(connection);
      } while (left > 0 && performance.now() < until);
    } finally {
      this.#isServing = this.#held.length > 0;
      if (this.#isServing) setImmediate(this.#serveHeld);
    }
  };
}
