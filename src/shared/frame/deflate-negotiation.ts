/** What was negotiated for permessage-deflate (RFC 7692 section 7.1). */
export interface DeflateParameters {
  readonly role: 'server' | 'client';
}
