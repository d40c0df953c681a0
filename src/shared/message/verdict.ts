/**
 * `queued`: accepted for all whom it concerns, to be delivered in order. `overloaded`: refused as a whole, nobody gets
 * it; try later. `closed`: the engine is closing or closed.
 */
export type PublishVerdict = 'queued' | 'overloaded' | 'closed';

/**
 * `not-found`: no connection of this engine can have this id. A connection that has ended counts as queued; the miss
 * shows in the counter `undeliverable`.
 */
export type DirectVerdict = PublishVerdict | 'not-found';
