import { App, type AppOptions, SSLApp, type TemplatedApp } from 'uWebSockets.js';
import type { TlsMaterial } from '../../../shared/config/tls.ts';
import { EngineError, errorText } from '../../../shared/errors/index.ts';
import { tls12Ciphers } from '../ciphers.ts';
import { withTlsFiles } from './tls-files.ts';

/** Methods that the library has and its type declarations lack. */
export interface AdoptingApp extends TemplatedApp {
  adoptSocket(descriptor: number): void;
  /** A native pointer, as a number. */
  getDescriptor(): number;
  addChildAppDescriptor(descriptor: unknown): void;
  removeChildAppDescriptor(descriptor: unknown): void;
}

/**
 * The library has no setting for the minimum version, and starts with TLS 1.2. This suite of TLS 1.2 needs a pre-shared
 * key, and there is none. With no other suite, no handshake below TLS 1.3 succeeds.
 */
const noCipher = 'ECDHE-PSK-CHACHA20-POLY1305';

function createSslApp(tls: TlsMaterial): TemplatedApp {
  try {
    return withTlsFiles(tls, ({ cert, key, ca }) => {
      const options: AppOptions = {
        cert_file_name: cert,
        key_file_name: key,
        passphrase: tls.passphrase,
        ssl_ciphers: tls.minVersion === 'TLSv1.3' ? noCipher : tls12Ciphers,
        ...(ca === null ? {} : { ca_file_name: ca }),
      };
      return SSLApp(options);
    });
  } catch (error) {
    const text = `tls: a shard cannot use this certificate and key: ${errorText(error)}`;
    throw new EngineError('ERR_TLS_INVALID', text, { path: 'tls' });
  }
}

interface Generation {
  readonly app: AdoptingApp;
  readonly asksForCertificates: boolean;
  sockets: number;
  closed: boolean;
}

/** The App for routes, and the listener for the end of each of its WebSockets. */
export interface AppHost {
  readonly app: AdoptingApp;
  /** Whether its clients are asked for certificates. */
  readonly asksForCertificates: boolean;
  left(): void;
}

/**
 * The Apps of a transport. An App keeps its certificate for ever, so another certificate needs another App. The new App
 * takes new connections, and the former one runs until its last socket is gone. Other parts see one App only.
 */
export class UwsApps {
  readonly #route: (host: AppHost) => void;
  readonly #httpEnded: () => void;
  readonly #arrived: () => void;
  #current: Generation;
  /** Former Apps that still have connections. */
  readonly #former = new Set<Generation>();
  #closed = false;

  /** `httpEnded`: a socket that is no WebSocket has ended. `arrived`: there is a new socket. */
  constructor(
    tls: TlsMaterial | null,
    route: (host: AppHost) => void,
    httpEnded: () => void,
    arrived: () => void = () => undefined,
  ) {
    this.#route = route;
    this.#httpEnded = httpEnded;
    this.#arrived = arrived;
    this.#current = this.#create(tls);
  }

  get current(): AdoptingApp {
    return this.#current.app;
  }

  publish(topic: string, payload: Uint8Array, binary: boolean, compress: boolean): void {
    this.#current.app.publish(topic, payload, binary, compress);
    // Usually there is none.
    for (const { app } of this.#former) app.publish(topic, payload, binary, compress);
  }

  /** From here on new connections get another certificate. Throws `ERR_TLS_INVALID`; nothing has changed then. */
  renew(tls: TlsMaterial): void {
    if (this.#closed) return;
    const next = this.#create(tls);
    const last = this.#current;
    this.#current = next;
    this.#former.add(last);
    this.#closeIfEmpty(last);
  }

  close(): void {
    this.#closed = true;
    for (const generation of [this.#current, ...this.#former]) this.#close(generation);
  }

  #create(tls: TlsMaterial | null): Generation {
    const app = (tls === null ? App() : createSslApp(tls)) as AdoptingApp;
    const asksForCertificates = tls !== null && tls.ca !== null;
    const generation: Generation = { app, asksForCertificates, sockets: 0, closed: false };
    app.filter((_response, change) => this.#counted(generation, change));
    this.#route({
      app,
      asksForCertificates,
      left: () => {
        generation.sockets -= 1;
        this.#closeIfEmpty(generation);
      },
    });
    return generation;
  }

  /** +1 for a new socket, -1 for one that ends as HTTP. An upgraded socket is not reported again. */
  #counted(generation: Generation, change: number): void {
    generation.sockets += change;
    if (change > 0) {
      this.#arrived();
      return;
    }
    if (!this.#closed) this.#httpEnded();
    this.#closeIfEmpty(generation);
  }

  #closeIfEmpty(generation: Generation): void {
    if (generation.sockets > 0 || generation === this.#current || this.#closed) return;
    // Not to be called inside one of its callbacks.
    setImmediate(() => this.#close(generation));
  }

  #close(generation: Generation): void {
    if (generation.closed) return;
    generation.closed = true;
    generation.app.close();
    this.#former.delete(generation);
  }
}
