import { acceptFor, statusText } from '../../../shared/http/index.ts';
import { answerHeaders } from '../http-parts.ts';
import type { HttpAnswer } from '../transport.ts';

/** The bytes of an answer after which the connection ends. */
export function answerText({ status, headers, body }: HttpAnswer): string {
  let text = `HTTP/1.1 ${status} ${statusText(status)}\r\n`;
  for (const [name, value] of answerHeaders(headers)) text += `${name}: ${value}\r\n`;
  return `${text}Connection: close\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

/** The answer that makes a WebSocket of the connection (RFC 6455 section 4.2.2). */
export function switchingText(key: string, subprotocol: string | null, extensions: string | null): string {
  let text =
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
    `Sec-WebSocket-Accept: ${acceptFor(key)}\r\n`;
  if (subprotocol !== null) text += `Sec-WebSocket-Protocol: ${subprotocol}\r\n`;
  if (extensions !== null) text += `Sec-WebSocket-Extensions: ${extensions}\r\n`;
  return `${text}\r\n`;
}
