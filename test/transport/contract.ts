import { describe } from 'node:test';
import type { CreateTransport } from '#dist/worker/transport/transport.js';
import { describeCompression } from './contract-compression.ts';
import { describeDeflateMessages } from './contract-deflate-messages.ts';
import { describeEnds } from './contract-ends.ts';
import { describeListening } from './contract-listening.ts';
import { describeMessages } from './contract-messages.ts';
import { describeRequests } from './contract-requests.ts';
import { describeSending } from './contract-sending.ts';
import type { TransportLimits } from './transport-fixture.ts';

function describeConnections(create: CreateTransport, limits: TransportLimits): void {
  describeRequests(create, limits);
  describeMessages(create, limits);
  describeSending(create);
  describeEnds(create, limits);
  describeListening(create);
}

/** What every adapter of the transport port promises. Runs in the test's own thread, over real sockets. */
export function describeTransport(name: string, create: CreateTransport, limits: TransportLimits): void {
  describe(`${name} as a transport`, () => {
    describeConnections(create, limits);
    describeCompression(create);
    describeDeflateMessages(create, limits);
  });
  // The option must change nothing for clients that do not offer it.
  describe(`${name} as a transport that would compress`, () => {
    describeConnections((options, events) => create({ ...options, compression: { level: 6 } }, events), limits);
  });
}
