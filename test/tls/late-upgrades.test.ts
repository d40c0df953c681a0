import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { connect } from '../support/client.ts';
import { withEngine } from '../support/leaks.ts';
import { first, second, trust } from './tls-fixture.ts';

const handlers = new URL('../upgrade/fixtures/deciding.handlers.js', import.meta.url);

describe('handshakes over TLS that are decided later', () => {
  it('all become connections that work, also while the certificate changes', () =>
    withEngine({ handlers, tls: { cert: first.cert, key: first.key } }, async (engine) => {
      let used = 0;
      for (let round = 0; round < 6; round++) {
        const opening = Array.from({ length: 20 }, (_, at) =>
          connect(engine, { tls: trust, query: `do=true&late=${at % 4}` }),
        );
        const certificate = round % 2 === 0 ? second : first;
        await engine.reloadTls({ cert: certificate.cert, key: certificate.key });
        for (const client of await Promise.all(opening)) {
          await client.sync();
          used += 1;
          if (used % 3 === 0) client.terminate();
        }
      }
      const { connectionsOpened, handlerErrors } = engine.stats();
      assert.deepEqual([used, connectionsOpened, handlerErrors], [120, 120, 0]);
    }));
});
