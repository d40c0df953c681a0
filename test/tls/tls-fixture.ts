import { once } from 'node:events';
import { get } from 'node:https';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { type Certificate, createCertificate } from '../support/certificates.ts';
import { type Client, connect } from '../support/client.ts';
import { patienceMs, within } from '../support/waiting.ts';

export const first: Certificate = createCertificate('first');
export const second: Certificate = createCertificate('second');

/** Clients believe in these. */
export const trust: ConnectionOptions = { ca: [first.cert, second.cert] };

export function connectSecurely(engine: { readonly port: number }, tls: ConnectionOptions = {}): Promise<Client> {
  return connect(engine, { tls: { ...trust, ...tls } });
}

/** A handshake of TLS only; rejects if there is none. The caller destroys the socket. */
export async function openTls(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connectTls({ host: '127.0.0.1', port, ...trust, ...options });
  try {
    await within(once(socket, 'secureConnect'), 'a TLS handshake');
  } catch (error) {
    socket.destroy();
    throw error;
  }
  // What comes later is seen as the end of the socket.
  socket.on('error', () => undefined);
  return socket;
}

/** Common name of the certificate that a new connection is shown. */
export async function shownCertificate(port: number): Promise<string> {
  const socket = await openTls(port);
  const { subject } = socket.getPeerCertificate();
  socket.destroy();
  return String(subject.CN);
}

export interface HttpsReply {
  readonly status: number;
  readonly body: string;
}

export function getSecurely(port: number, path: string, options: ConnectionOptions = {}): Promise<HttpsReply> {
  return new Promise((resolve, reject) => {
    const url = `https://127.0.0.1:${port}${path}`;
    const request = get(url, { agent: false, timeout: patienceMs, ...trust, ...options }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (text: string) => {
        body += text;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    });
    request.on('timeout', () => request.destroy(new Error(`no answer of ${url}`)));
    request.on('error', reject);
  });
}
