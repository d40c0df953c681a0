import { type DeflateTerms, deflateName, parseExtensions, readDeflateTerms } from '../../../shared/http/index.ts';

/**
 * The acceptable offers of permessage-deflate in a `Sec-WebSocket-Extensions` header, in the client's order of
 * preference. An offer with wrong, repeated or unknown parameters must be declined (RFC 7692 section 7.1). A header that
 * breaks the grammar of RFC 6455 section 9.1 offers nothing.
 */
export function readDeflateOffers(header: string): readonly DeflateTerms[] {
  const offers: DeflateTerms[] = [];
  for (const extension of parseExtensions(header) ?? []) {
    if (extension.name !== deflateName) continue;
    const terms = readDeflateTerms(extension);
    if (typeof terms !== 'string') offers.push(terms);
  }
  return offers;
}
