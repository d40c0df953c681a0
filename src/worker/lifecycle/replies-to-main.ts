import { monotonicMs } from '../../shared/base/monotonic.ts';
import type { Replies } from '../../shared/bus/ask-port.ts';
import type { MainQuestions } from '../../shared/bus/questions.ts';
import type { Transport } from '../transport/transport.ts';

export interface RepliesToMainOptions {
  transport(): Transport;
  /** `deadline` as `performance.now()`. */
  settle(deadline: number): Promise<void>;
}

/** How a shard answers main's questions. */
export function repliesToMain({ transport, settle }: RepliesToMainOptions): Replies<MainQuestions> {
  return {
    ping: () => undefined,
    listen: ({ host, port, apps }) => transport().listen(host, port, apps),
    'stop-listening': () => transport().stopListening(),
    'forget-app': ({ app }) => transport().forget(app),
    'reload-tls': (tls) => transport().renewTls(tls),
    settle: ({ deadline }) => settle(performance.now() + deadline - monotonicMs()),
  };
}
