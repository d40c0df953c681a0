import { parseArgs } from 'node:util';
import { startEngine } from '#dist/main/index.js';
import { announce } from './announce.ts';
import { collectGarbage } from './collect-garbage.ts';
import { maxBackpressureBytes, maxMessageBytes } from './raw-talk.ts';
import { benchKeys, slowVariable } from './shardwire-talk.ts';

/** Our engine: `--shards N`, `--sealed` for the engine's keys, `--slow-us N` for a handler that burns N µs per message. */
const { values } = parseArgs({
  options: {
    shards: { type: 'string', default: '1' },
    sealed: { type: 'boolean', default: false },
    'slow-us': { type: 'string', default: '0' },
  },
});
// Worker threads begin with a copy of the environment.
process.env[slowVariable] = values['slow-us'];
const engine = await startEngine({
  shards: Number(values.shards),
  host: '127.0.0.1',
  port: 0,
  handlers: new URL('./shardwire.handlers.js', import.meta.url),
  maxMessageBytes,
  maxBackpressureBytes,
  ...(values.sealed ? { security: benchKeys } : {}),
});
collectGarbage();
announce(engine.port, () => engine.close());
