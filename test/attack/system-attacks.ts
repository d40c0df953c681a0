import { pause } from '../support/waiting.ts';
import { type Attack, crowd, openSocket, shakeHands } from './attack.ts';

/** More sockets than the engine has descriptors for. */
function withoutDescriptors(acceptor: 'auto' | 'shard'): Attack {
  return {
    name: `no descriptors left, acceptor ${acceptor}`,
    options: { acceptor, shards: 2 },
    surroundings: { descriptors: 200 },
    explains: ['acceptErrors', 'handshakesAbandoned', 'handshakesRefused', 'limitConnections'],
    evidence: ['acceptErrors', 'limitConnections', 'handshakesAbandoned'],
    async run(port, over) {
      const sockets = Array.from({ length: 300 }, (_, number) =>
        number % 2 === 0 ? openSocket(port) : shakeHands(port),
      );
      while (!over()) await pause(20);
      for (const socket of sockets) if (!(socket instanceof Promise)) socket.destroy();
    },
  };
}

/** A shard is replaced while nothing can be written to /dev/shm. */
const tinySharedMemory: Attack = {
  name: 'tiny /dev/shm under TLS',
  surroundings: { sharedMemoryBytes: 16_384 },
  restartsUnderTls: true,
  explains: ['handshakesAbandoned', 'restarts'],
  evidence: ['restarts'],
  run: (port, over) =>
    crowd(5, over, async () => {
      const socket = openSocket(port);
      socket.write('GET /ws HTTP/1.1\r\nHost: not-tls\r\n\r\n');
      await pause(50);
      socket.destroy();
    }),
};

export const systemAttacks: readonly Attack[] = [
  withoutDescriptors('auto'),
  withoutDescriptors('shard'),
  tinySharedMemory,
];
