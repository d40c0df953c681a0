import { App, us_listen_socket_close, us_socket_local_port } from 'uWebSockets.js';
import { announce } from './announce.ts';
import { collectGarbage } from './collect-garbage.ts';
import { routeBench } from './uws-routes.ts';

/** Bare uWebSockets.js in one thread. */
const app = App();
routeBench(app);
collectGarbage();
app.listen('127.0.0.1', 0, (listening) => {
  if (listening === false) throw new Error('cannot listen on 127.0.0.1');
  announce(us_socket_local_port(listening), () => {
    us_listen_socket_close(listening);
    app.close();
  });
});
