import { describe, test } from 'node:test';
import { NodeTransport } from '#dist/worker/transport/node/node-transport.js';
import { UwsTransport } from '#dist/worker/transport/uws/uws-transport.js';
import { bytesAfterThePause } from './paused-sockets.ts';

// In a file of its own: a thread in which other sockets were paused before would not show the fault.
describe('a peer that is paused before bytes wait for it is heard after it is resumed', () => {
  test('by UwsTransport', () => bytesAfterThePause((options, events) => new UwsTransport(options, events)));
  test('by NodeTransport', () => bytesAfterThePause((options, events) => new NodeTransport(options, events)));
});
