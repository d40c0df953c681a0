/**
 * What the peers without an envelope understand. On `/echo` every message comes back as it is. On `/fanout` the text
 * below subscribes, and every other message goes to all subscribers. Only its length is compared, so that a publish
 * costs no reading: no payload of a benchmark is as short.
 */
export const echoPath = '/echo';
export const fanoutPath = '/fanout';
export const subscribeText = 'subscribe';
export const subscribedText = 'subscribed';
export const topic = 'bench';

/** Bounds for all peers: room for messages of 1 MB, 16 at once. */
export const maxMessageBytes: number = 4 * 1024 * 1024;
export const maxBackpressureBytes: number = 64 * 1024 * 1024;
