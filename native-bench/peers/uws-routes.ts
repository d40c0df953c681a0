import type { TemplatedApp } from 'uWebSockets.js';
import {
  echoPath,
  fanoutPath,
  maxBackpressureBytes,
  maxMessageBytes,
  subscribedText,
  subscribeText,
  topic,
} from './raw-talk.ts';

const bounds = { maxPayloadLength: maxMessageBytes, maxBackpressure: maxBackpressureBytes, idleTimeout: 120 };

/** Echo and fan-out in as little as the library needs: no envelope, no codec, no hub. */
export function routeBench(app: TemplatedApp): void {
  app.ws(echoPath, {
    ...bounds,
    message: (socket, message, isBinary) => {
      socket.send(message, isBinary);
    },
  });
  app.ws(fanoutPath, {
    ...bounds,
    message: (socket, message, isBinary) => {
      if (message.byteLength === subscribeText.length) {
        socket.subscribe(topic);
        socket.send(subscribedText);
      } else {
        app.publish(topic, message, isBinary);
      }
    },
  });
}
