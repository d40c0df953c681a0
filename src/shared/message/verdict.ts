/**
 * `queued`: accepted, and delivered in order to all recipients. `overloaded`: refused as a whole, nobody gets it; try
 * later. `closed`: the engine is closing or closed.
 */
export type PublishVerdict = 'queued' | 'overloaded' | 'closed';

/**
 * `not-found`: no connection of this engine can have this id. A message to a connection that has ended counts as
 * queued; the counter `undeliverable` shows the miss.
 */
export type DirectVerdict = PublishVerdict | 'not-found';
