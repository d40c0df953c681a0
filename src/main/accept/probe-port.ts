import { createServer } from 'node:net';
import { EngineError, errorText } from '../../shared/errors/index.ts';

/**
 * Makes sure that nobody listens on a port; 0 gives one that is free. Rejects with `ERR_LISTEN_FAILED`.
 *
 * For the socket library's own acceptor. It shares a port that was asked for by its number with whoever else listens
 * there, and one that was not it cannot have again while connections of a lost listener are open.
 */
export function probePort(host: string, port: number): Promise<number> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      const text = `cannot listen on ${host}:${port}: ${errorText(cause)}`;
      reject(new EngineError('ERR_LISTEN_FAILED', text, { path: 'port', given: port, cause }));
    });
    // Exclusive: in a worker of node:cluster the primary would bind the port, and still have it when this one is to.
    server.listen({ host, port, exclusive: true }, () => {
      const address = server.address();
      const found = typeof address === 'object' && address !== null ? address.port : port;
      server.close(() => resolve(found));
    });
  });
}
