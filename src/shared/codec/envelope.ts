/**
 * One message, whatever its codec (checklist H-04). The fields are always all there; '' , null and 0n mean absent, as
 * the zero values of the Go peers do.
 */
export interface Envelope {
  /** What the message is, such as `publish`. */
  type: string;
  /** The channel that it goes to, or ''. */
  channel: string;
  /** The payload's bytes, or null for nil. Empty bytes are a payload of their own, other than null. */
  data: Uint8Array | null;
  /** Nanoseconds since the Unix epoch in the int64 range, or 0n (checklist H-64). */
  timestamp: bigint;
  /** Id of the connection that sent it, or ''. */
  clientId: string;
  /**
   * What is known about `data`: true: it is one valid JSON value (as `isJson` says), false: it is not, absent: nobody
   * looked. The JSON codec's `decode` fills it in and its `encode` trusts it, so that data is validated once per
   * message and not once per thread. Whoever replaces `data` must replace or delete this too.
   */
  dataIsJson?: boolean | undefined;
}
