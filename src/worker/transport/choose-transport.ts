import type { TransportFacts, TransportName } from '../../shared/config/config.ts';
import { EngineError, errorText } from '../../shared/errors/index.ts';
import type { CreateTransport } from './transport.ts';

/** What makes transports in this thread. */
export interface ChosenTransport extends TransportFacts {
  readonly create: CreateTransport;
}

/** The first line of what the loader says: the rest is its stack of attempts. */
function reasonOf(error: unknown): string {
  return errorText(error).split('\n', 1)[0] ?? '';
}

async function loadUws(): Promise<CreateTransport> {
  const { UwsTransport } = await import('./uws/uws-transport.ts');
  return (options, events) => new UwsTransport(options, events);
}

async function loadNode(): Promise<CreateTransport> {
  const { NodeTransport } = await import('./node/node-transport.ts');
  return (options, events) => new NodeTransport(options, events);
}

/** Loads a transport. Rejects with `ERR_TRANSPORT_UNAVAILABLE` where `uws` is demanded and cannot be had. */
export async function chooseTransport(choice: TransportName | 'auto'): Promise<ChosenTransport> {
  if (choice === 'node') return { name: 'node', reason: 'the option transport says so', create: await loadNode() };
  try {
    const create = await loadUws();
    const reason = choice === 'uws' ? 'the option transport says so' : 'uWebSockets.js can be loaded';
    return { name: 'uws', reason, create };
  } catch (error) {
    const why = `uWebSockets.js cannot be loaded by Node ${process.version} on ${process.platform}-${process.arch}`;
    const detail = `${why}: ${reasonOf(error)}`;
    if (choice === 'auto') return { name: 'node', reason: detail, create: await loadNode() };
    const remedy = "use transport: 'auto' or 'node', or a Node that it has a binary for (docs/transports.md)";
    throw new EngineError('ERR_TRANSPORT_UNAVAILABLE', `${detail}; ${remedy}`, { path: 'transport', given: choice });
  }
}
