import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import type { HttpAnswer, TransportRequest } from './transport.ts';

const textDecoder = new TextDecoder();

/** A method that the library has and its type declarations lack. */
interface CertifiedResponse extends HttpResponse {
  /** PEM; '': the client has shown none. */
  getX509Certificate(): string;
}

/** The library's request is valid only inside its callback. */
export function copyRequest(
  response: HttpResponse,
  request: HttpRequest,
  asksForCertificates: boolean,
): TransportRequest {
  const headers = new Map<string, string>();
  request.forEach((name, value) => {
    const before = headers.get(name);
    headers.set(name, before === undefined ? value : `${before}, ${value}`);
  });
  return {
    method: request.getCaseSensitiveMethod().toUpperCase(),
    path: request.getUrl(),
    query: request.getQuery() ?? '',
    headers,
    remoteAddress: textDecoder.decode(response.getRemoteAddressAsText()),
    clientCertificate: asksForCertificates ? (response as CertifiedResponse).getX509Certificate() : null,
  };
}

const statusTexts: ReadonlyMap<number, string> = new Map([
  [200, 'OK'],
  [400, 'Bad Request'],
  [403, 'Forbidden'],
  [404, 'Not Found'],
  [405, 'Method Not Allowed'],
  [409, 'Conflict'],
  [426, 'Upgrade Required'],
  [429, 'Too Many Requests'],
  [500, 'Internal Server Error'],
  [503, 'Service Unavailable'],
]);

/** Answers and closes: one socket carries at most one answer, so that every other end of it is an abandoned request. */
export function answer(response: HttpResponse, { status, headers, body }: HttpAnswer): void {
  response.cork(() => {
    response.writeStatus(`${status} ${statusTexts.get(status) ?? 'Error'}`);
    for (const [name, value] of headers) response.writeHeader(name, value);
    // Adds `Connection: close`.
    response.end(body, true);
  });
}
