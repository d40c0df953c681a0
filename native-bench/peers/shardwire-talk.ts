/** What the handlers of the `shardwire` peer understand besides the engine's own control messages. */
export const channel = 'bench';
/** Comes back with the same data. */
export const echoType = 'echo';
/** Subscribes to the channel and is answered with `ready`. Data, if any: the shard that it must be on. */
export const joinType = 'join';
/** Answered with `ready`, without subscribing. Data as above. */
export const placeType = 'place';
export const readyType = 'ready';
/** Closes a connection that is not on the shard that it asked for. */
export const wrongShardCode = 4000;

/** Fixed keys, so that the driver can seal what clients send. They protect nothing. */
export const benchKeys: { readonly aesKey: Uint8Array; readonly hmacKey: Uint8Array } = {
  aesKey: Uint8Array.from({ length: 32 }, (_, i) => i),
  hmacKey: Uint8Array.from({ length: 32 }, (_, i) => 255 - i),
};

/** Environment variable: microseconds that the handler burns per message. */
export const slowVariable = 'SHARDWIRE_BENCH_SLOW_US';
