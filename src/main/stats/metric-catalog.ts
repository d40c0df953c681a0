import type { CounterName } from '../../shared/memory/counters.ts';

/** How a counter of `engine.stats()` is exported to Prometheus. */
export interface CounterMetric {
  readonly name: string;
  readonly help: string;
  readonly kind: 'counter' | 'gauge';
  /** Counters for parts of one metric share its name. */
  readonly label?: readonly [name: string, value: string];
  /** Factor from the counter's value to the unit in the name. */
  readonly scale?: number;
}

const counts = (name: string, help: string): CounterMetric => ({ name, help, kind: 'counter' });
const shows = (name: string, help: string): CounterMetric => ({ name, help, kind: 'gauge' });

function parts(name: string, help: string, label: string): (value: string) => CounterMetric {
  return (value) => ({ name, help, kind: 'counter', label: [label, value] });
}

const offloaded = parts('offloaded_jobs_total', 'Seals and opens that were given to the pool.', 'job');
const offloadFallback = parts(
  'offload_fallbacks_total',
  'Work for the pool that a shard did itself, by reason.',
  'reason',
);
const openFailed = parts('open_failures_total', 'Sealed frames that could not be opened, by reason.', 'reason');
const rejected = parts('messages_rejected_total', 'Messages of clients that were not acted on, by reason.', 'reason');
const dropped = parts('messages_dropped_total', 'Messages that did not reach their receiver, by reason.', 'reason');

/** Null: exported in another way, see metrics.ts. A counter without an entry here is exported under its own name. */
const catalog: Readonly<Partial<Record<CounterName, CounterMetric | null>>> = {
  connectionsOpened: counts('connections_opened_total', 'Connections whose handshake was accepted.'),
  connectionsClosed: counts('connections_closed_total', 'Of the opened connections, those that have ended.'),
  handshakesRefused: null,
  handshakesAbandoned: counts('handshakes_abandoned_total', 'Sockets that ended before they were answered.'),
  httpRequests: counts('http_requests_total', 'Requests other than handshakes.'),
  messagesIn: counts('messages_received_total', 'Messages that clients sent.'),
  bytesIn: counts('received_bytes_total', 'Payload bytes of the messages that clients sent.'),
  messagesOut: counts('messages_sent_total', 'Deliveries to clients: a publish to n subscribers counts n.'),
  bytesOut: counts('sent_bytes_total', 'Payload bytes of the deliveries to clients.'),
  publishes: counts('publishes_total', 'Messages accepted for a channel, a room or everyone.'),
  encodes: counts('encodes_total', 'Messages encoded: one per message, shard and codec with subscribers.'),
  seals: counts('seals_total', 'Frames sealed.'),
  opens: counts('opens_total', 'Frames opened and found good.'),
  sealsOffloaded: offloaded('seal'),
  opensOffloaded: offloaded('open'),
  offloadFull: offloadFallback('full'),
  offloadFailed: offloadFallback('failed'),
  offloadLate: offloadFallback('late'),
  offloadThreadsFailed: counts(
    'offload_threads_failed_total',
    'Threads of the pool that crashed, hung or did not start.',
  ),
  openFailedDecrypt: openFailed('decrypt'),
  openFailedSignature: openFailed('signature'),
  openFailedFormat: openFailed('format'),
  openFailedReplay: openFailed('replay'),
  openFailuresClosed: counts('open_failures_closed_total', 'Connections closed for too many frames that did not open.'),
  messagesMalformed: rejected('malformed'),
  messagesTooLarge: rejected('too_large'),
  messagesUnknownType: rejected('unknown_type'),
  controlRefused: rejected('refused'),
  messagesDropped: dropped('slow_consumer'),
  overloaded: dropped('overloaded'),
  undeliverable: dropped('undeliverable'),
  messagesAbandoned: dropped('abandoned'),
  handlersTimedOut: counts('handlers_timed_out_total', 'Handlers that did not answer within limits.handlerMs.'),
  slowConsumersClosed: counts('slow_consumers_closed_total', 'Connections closed because they read too slowly.'),
  protocolErrors: counts('protocol_errors_total', 'Connections ended for a violation of RFC 6455.'),
  handlerErrors: null,
  acceptErrors: counts('accept_errors_total', 'Connections that could not be accepted or handed to a shard.'),
  descriptorsAdopted: counts('descriptors_adopted_total', 'Connections that shards have taken over from main.'),
  doorbells: counts('doorbells_total', 'Times that a sleeping thread was woken.'),
  laneWaits: counts('lane_waits_total', 'Frames that waited in a lane for sealing to be done.'),
  laneWaitMs: { ...counts('lane_wait_seconds_total', 'How long frames waited in lanes, in all.'), scale: 0.001 },
  heapRefused: counts(
    'heap_refused_total',
    'Handshakes and memberships refused because the heap of a shard is nearly full.',
  ),
  turnsHeld: counts('turns_held_total', 'Times that a connection had used up its turn and waited for a later one.'),
  turnsOverrun: counts('turns_overrun_total', 'Connections closed because too much of theirs waited for later turns.'),
  batchesDropped: counts(
    'batches_dropped_total',
    'Batches of up to 32 published messages that were cut; the first message of each is in messages_dropped_total.',
  ),
  pongsDropped: counts('pongs_dropped_total', 'Pings whose answer did not reach a slow consumer.'),
  channels: shows('channels', 'Channels with members, now, in each shard.'),
  rooms: shows('rooms', 'Rooms with members, now, in each shard.'),
  connectionsEnding: shows('connections_ending', 'Connections that have ended, whose sockets are not gone yet.'),
  connectionsCut: counts('connections_cut_total', 'Sockets cut because their peers did not end them.'),
  shardBackpressureClosed: counts(
    'shard_backpressure_closed_total',
    'Connections closed because too many bytes waited for all clients of their shard.',
  ),
  ringSpilledBytes: shows('ring_spilled_bytes', 'Bytes that wait for room in a ring.'),
};

/** How a counter is exported; null: not as a counter. */
export function counterMetric(name: CounterName): CounterMetric | null {
  const known = catalog[name];
  if (known !== undefined) return known;
  const words = name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  return counts(`${words.replaceAll(' ', '_')}_total`, `The counter ${name} of engine.stats(): ${words}.`);
}
