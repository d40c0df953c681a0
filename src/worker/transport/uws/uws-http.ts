import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import { statusText } from '../../../shared/http/index.ts';
import { addHeader, answerHeaders } from '../http-parts.ts';
import type { HttpAnswer, TransportRequest } from '../transport.ts';

const textDecoder = new TextDecoder();

/** A method that the library has and its type declarations lack. */
interface CertifiedResponse extends HttpResponse {
  /** PEM; '': the client has sent none. */
  getX509Certificate(): string;
}

/** The library's request is valid only inside its callback. */
export function copyRequest(
  response: HttpResponse,
  request: HttpRequest,
  asksForCertificates: boolean,
): TransportRequest {
  const headers = new Map<string, string>();
  request.forEach((name, value) => addHeader(headers, name, value));
  return {
    method: request.getCaseSensitiveMethod().toUpperCase(),
    path: request.getUrl(),
    query: request.getQuery() ?? '',
    headers,
    remoteAddress: textDecoder.decode(response.getRemoteAddressAsText()),
    proxiedAddress: textDecoder.decode(response.getProxiedRemoteAddressAsText()),
    clientCertificate: asksForCertificates ? (response as CertifiedResponse).getX509Certificate() : null,
  };
}

/**
 * The library takes any first `Connection` value of five bytes for `close`, and closes the socket with the answer. An
 * upgrade that is decided later is such an answer: the WebSocket would be made of a closed socket, and the process
 * would crash. The library gives one character for each byte.
 */
export function mayUpgrade(request: HttpRequest): boolean {
  return request.getHeader('connection').length !== 5;
}

/** For the library's `end`. */
const closesConnection = true;

/** Answers and closes. A socket carries at most one answer, so every other end of it is an abandoned request. */
export function answer(response: HttpResponse, { status, headers, body }: HttpAnswer): void {
  response.cork(() => {
    response.writeStatus(`${status} ${statusText(status)}`);
    for (const [name, value] of answerHeaders(headers)) response.writeHeader(name, value);
    // Adds `Connection: close`.
    response.end(body, closesConnection);
  });
}
