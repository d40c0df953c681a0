import { createServer } from 'node:net';
import { EngineError, errorText } from '../../shared/errors/index.ts';

/**
 * Makes sure that nothing listens on a port; 0 gives a free port. Rejects with `ERR_LISTEN_FAILED`.
 *
 * For the socket library's own acceptor. The library would share a given port with any other process that listens
 * there. And it could not bind a port of its own choice again while connections of an earlier listener are open.
 */
export function probePort(host: string, port: number): Promise<number> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      const text = `cannot listen on ${host}:${port}: ${errorText(cause)}`;
      reject(new EngineError('ERR_LISTEN_FAILED', text, { path: 'port', given: port, cause }));
    });
    // Exclusive: in a worker of node:cluster the primary would bind the port, and still hold it when the library needs
    // it.
    server.listen({ host, port, exclusive: true }, () => {
      const address = server.address();
      const found = typeof address === 'object' && address !== null ? address.port : port;
      server.close(() => resolve(found));
    });
  });
}
