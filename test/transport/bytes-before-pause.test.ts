import { describe, test } from 'node:test';
import { NodeTransport } from '#dist/worker/transport/node/node-transport.js';
import { UwsTransport } from '#dist/worker/transport/uws/uws-transport.js';
import { bytesBeforeThePause } from './paused-sockets.ts';

// In a file of its own: a thread in which other sockets were paused before would not show the fault.
describe('a peer that is paused while bytes wait for it is heard after it is resumed', () => {
  test('by UwsTransport', () => bytesBeforeThePause((options, events) => new UwsTransport(options, events)));
  test('by NodeTransport', () => bytesBeforeThePause((options, events) => new NodeTransport(options, events)));
});
