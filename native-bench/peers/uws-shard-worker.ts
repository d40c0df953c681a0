import { App, type TemplatedApp } from 'uWebSockets.js';
import { parentPort } from 'node:worker_threads';
import { collectGarbage } from './collect-garbage.ts';
import { routeBench } from './uws-routes.ts';

/** One thread of `uws-sharded`: its App is handed connections by the acceptor's. */
const app = App() as TemplatedApp & { getDescriptor(): unknown };
routeBench(app);
collectGarbage();
parentPort?.once('message', () => {
  // An App that is open when its thread ends takes the whole process with it.
  app.close();
  parentPort?.close();
});
parentPort?.postMessage(app.getDescriptor());
