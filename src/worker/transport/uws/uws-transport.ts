import { type us_listen_socket, us_listen_socket_close, us_socket_local_port } from 'uWebSockets.js';
import type { TlsMaterial } from '../../../shared/config/tls.ts';
import { EngineError } from '../../../shared/errors/index.ts';
import { GuardedEvents } from '../guarded-events.ts';
import type { Transport, TransportEvents, TransportOptions, TransportRequest } from '../transport.ts';
import { AcceptGuard, findFreeDescriptors } from './accept-guard.ts';
import { PublishBatch } from './publish-batch.ts';
import { SocketLedger } from './socket-ledger.ts';
import { type AppHost, UwsApps } from './uws-apps.ts';
import { agreeOnCompression, compressorsOf, type UwsAgreement, type UwsCompressors } from './uws-compression.ts';
import { UwsExchanges } from './uws-exchanges.ts';
import { copyRequest, mayUpgrade } from './uws-http.ts';
import { UwsReading } from './uws-reading.ts';
import { UwsUpgrades } from './uws-upgrades.ts';
import { UwsWebSockets } from './uws-web-sockets.ts';

/** Says which upgrade requests a route serves. */
type Serves = (agreement: UwsAgreement | null, request: TransportRequest) => boolean;

/** The library's DISABLED. */
const noCompressor = 0;

/**
 * uWebSockets.js behind the transport port. The owner must keep a reference to the App while it is open: collecting an
 * open App aborts the process.
 */
export class UwsTransport<A> implements Transport {
  readonly #path: string;
  readonly #apps: UwsApps;
  readonly #batch: PublishBatch;
  readonly #events: GuardedEvents<A>;
  readonly #exchanges: UwsExchanges<A>;
  readonly #upgrades: UwsUpgrades<A>;
  readonly #webSockets: UwsWebSockets<A>;
  readonly #ledger: SocketLedger<A>;
  readonly #reading = new UwsReading();
  /** Null: nothing is compressed. */
  readonly #compressors: UwsCompressors | null;
  #listenSocket: us_listen_socket | null = null;
  /** Null: the transport does not listen, or descriptors cannot be counted. */
  #acceptGuard: AcceptGuard | null = null;

  constructor(options: TransportOptions, events: TransportEvents<A>) {
    this.#path = options.path;
    this.#events = new GuardedEvents(events);
    this.#exchanges = new UwsExchanges(this.#events);
    this.#ledger = new SocketLedger({
      gone: (attachment) => this.#events.guard(() => events.gone(attachment)),
      cut: () => this.#events.guard(() => events.cut()),
    });
    this.#upgrades = new UwsUpgrades(this.#events, this.#exchanges, this.#ledger);
    this.#compressors = options.compression === null ? null : compressorsOf(options.compression.level);
    this.#batch = new PublishBatch((topic, payload, binary, compress) => {
      if (!this.#events.closed) this.#apps.publish(topic, payload, binary, compress);
    });
    this.#webSockets = new UwsWebSockets(options, this.#events, this.#batch, this.#ledger);
    this.#apps = new UwsApps(
      options.tls,
      (host) => this.#route(host),
      () => this.#exchanges.ended(),
      () => this.#ledger.arrived(),
    );
  }

  get handle(): unknown {
    return this.#apps.current.getDescriptor();
  }

  adopt(descriptor: number): void {
    this.#ledger.adopt(descriptor, () => this.#apps.current.adoptSocket(descriptor));
  }

  publish(topic: string, payload: Uint8Array, binary: boolean, compress: boolean): void {
    this.#batch.publish(topic, payload, binary, compress);
  }

  async listen(host: string, port: number, handles: readonly unknown[]): Promise<number> {
    const app = this.#apps.current;
    for (const handle of handles) app.addChildAppDescriptor(handle);
    const found = await this.#listen(host, port);
    const free = findFreeDescriptors();
    if (free === null || this.#listenSocket === null) return found;
    this.#acceptGuard = new AcceptGuard({
      free,
      pause: () => this.#closeListenSocket(),
      resume: async () => {
        await this.#listen(host, found);
      },
      starved: (isStarved) => this.#events.guard(() => this.#events.to.starved(isStarved)),
    });
    return found;
  }

  #listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#apps.current.listen(host, port, (token) => {
        if (token === false) {
          reject(new EngineError('ERR_LISTEN_FAILED', `cannot listen on ${host}:${port}`));
          return;
        }
        this.#listenSocket = token;
        resolve(us_socket_local_port(token));
      });
    });
  }

  meet(handle: unknown): void {
    this.#apps.current.addChildAppDescriptor(handle);
  }

  forget(handle: unknown): void {
    this.#apps.current.removeChildAppDescriptor(handle);
  }

  stopListening(): void {
    this.#acceptGuard?.stop();
    this.#closeListenSocket();
  }

  #closeListenSocket(): void {
    if (this.#listenSocket === null) return;
    us_listen_socket_close(this.#listenSocket);
    this.#listenSocket = null;
  }

  close(): void {
    if (this.#events.closed) return;
    this.#events.closed = true;
    this.#acceptGuard?.stop();
    this.#listenSocket = null;
    this.#upgrades.close();
    this.#ledger.close();
    this.#reading.close();
    this.#apps.close();
  }

  renewTls(tls: TlsMaterial): void {
    this.#apps.renew(tls);
  }

  /**
   * In the library a path has one kind of compressor. If two kinds are needed, a second route serves connections with
   * the shared one: it gets the requests that the first route passes on.
   */
  #route(host: AppHost): void {
    const path = this.#path;
    const { dedicated, shared } = this.#compressors ?? { dedicated: null, shared: noCompressor };
    if (dedicated === null) {
      this.#serve(host, path, shared, () => true);
    } else {
      this.#serve(host, path, dedicated, (agreement) => agreement?.compressor !== 'shared');
      this.#serve(host, '/*', shared, (agreement, request) => {
        return request.path === path && agreement?.compressor === 'shared';
      });
    }
    host.app.any('/*', (response, request) => {
      this.#exchanges.request(response, copyRequest(response, request, host.asksForCertificates));
    });
  }

  #serve(host: AppHost, pattern: string, compression: number, serves: Serves): void {
    host.app.ws(pattern, {
      ...this.#webSockets.behavior(() => host.left(), this.#reading),
      compression,
      upgrade: (response, native, context) => {
        // A request that is no upgrade for any of the routes becomes a plain request.
        if (!mayUpgrade(native)) {
          native.setYield(true);
          return;
        }
        this.#reading.learn(response);
        const request = copyRequest(response, native, host.asksForCertificates);
        const agreement = this.#agree(request);
        if (serves(agreement, request)) this.#upgrades.decide(response, request, context, agreement?.offer ?? '');
        else native.setYield(true);
      },
    });
  }

  #agree(request: TransportRequest): UwsAgreement | null {
    if (this.#compressors === null) return null;
    return agreeOnCompression(request.headers.get('sec-websocket-extensions'), this.#compressors);
  }
}
