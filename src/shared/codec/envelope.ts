/** One message, whatever its codec. All fields are always present: '', null, 0n and 0 mean absent. */
export interface Envelope {
  /** What the message is, such as `publish`. */
  type: string;
  /** The channel that it goes to, or ''. */
  channel: string;
  /** The payload's bytes, or null for nil. Empty bytes are a payload of their own, other than null. */
  data: Uint8Array | null;
  /** Nanoseconds since the Unix epoch in the int64 range, or 0n. */
  timestamp: bigint;
  /** Id of the connection that sent it, or ''. */
  clientId: string;
  /** Number of a request, from 1 to 2^53 - 1, or 0. The side that asks chooses it, and the answer repeats it. */
  id: number;
  /** Place in the channel's log, from 1 to 2^53 - 1, or 0. */
  offset: number;
  /**
   * Whether `data` is one valid JSON value (as `isJson` says); absent: not checked yet. The JSON codec's `decode` sets
   * it and its `encode` trusts it, so that data is validated once per message and not once per thread. Code that
   * replaces `data` must replace or delete this too.
   */
  dataIsJson?: boolean | undefined;
}

/** What `Codec.encode` takes: an envelope whose `id` and `offset` may be missing, which is the same as 0. */
export interface EncodableEnvelope extends Omit<Envelope, 'id' | 'offset'> {
  id?: number | undefined;
  offset?: number | undefined;
}
