/** One message, whatever its codec. All fields are always present: '', null and 0n mean absent. */
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
  /**
   * Whether `data` is one valid JSON value (as `isJson` says); absent: not checked yet. The JSON codec's `decode` sets
   * it and its `encode` trusts it, so that data is validated once per message and not once per thread. Code that
   * replaces `data` must replace or delete this too.
   */
  dataIsJson?: boolean | undefined;
}
