import { connect as connectTcp, isIP, type LookupFunction, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { EngineError, errorCode, errorText } from '../shared/errors/index.ts';
import { optionInvalid } from './frame-error.ts';
import { orAbort } from './or-abort.ts';

/** How a dialer gets the stream for its handshake. */
export interface DialStreamOptions {
  /** For `wss:`, what `tls.connect` takes. */
  readonly tls?: ConnectionOptions;
  /** The address of this machine to connect from, IPv4 or IPv6. Default: what the system chooses. */
  readonly localAddress?: string;
  /** The version of IP to use where the host is a name; 0: either. Default: that of `localAddress`, or 0. */
  readonly family?: 0 | 4 | 6;
  /** Resolves names, in place of `dns.lookup` and with its signature. Asked for `all`, it must give a list. */
  readonly lookup?: LookupFunction;
  /** Makes the stream, in place of a TCP or TLS connection. The four options above have no use then. */
  readonly connect?: (url: URL, signal: AbortSignal) => Duplex | Promise<Duplex>;
}

/** Where to connect to, and how: by TCP or TLS. */
interface Route {
  readonly host: string;
  readonly port: number;
  readonly localAddress?: string;
  readonly family?: number;
  readonly lookup?: LookupFunction;
}

/** The checked target of a connection. Throws ERR_OPTION_INVALID. */
function routeTo(url: URL, { localAddress, family, lookup }: DialStreamOptions): Route {
  // An IPv6 address stands in brackets in a URL, and nowhere else.
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  if (family !== undefined && family !== 0 && family !== 4 && family !== 6) {
    throw optionInvalid('family', family, '0, 4 or 6');
  }
  if (lookup !== undefined && typeof lookup !== 'function') throw optionInvalid('lookup', lookup, 'a function');
  const ofHost = isIP(host);
  const wanted = family || ofHost;
  if (ofHost !== 0 && wanted !== ofHost) throw optionInvalid('family', family, `${ofHost}, as the URL's address`);
  const ofLocal = typeof localAddress === 'string' ? isIP(localAddress) : 0;
  if (localAddress !== undefined && (ofLocal === 0 || (wanted !== 0 && ofLocal !== wanted))) {
    throw optionInvalid('localAddress', localAddress, wanted === 0 ? 'an IP address' : `an IPv${wanted} address`);
  }
  // A name may have IPv4 and IPv6 addresses. From a local address only those of its own version can be reached.
  const version = wanted || ofLocal;
  return {
    host,
    port: url.port === '' ? (url.protocol === 'wss:' ? 443 : 80) : Number(url.port),
    ...(version === 0 ? {} : { family: version }),
    ...(localAddress === undefined ? {} : { localAddress }),
    ...(lookup === undefined ? {} : { lookup: guarded(lookup) }),
  };
}

/** Hands an error that `lookup` throws to its callback. Otherwise `net.connect` would leave its handle open. */
function guarded(lookup: LookupFunction): LookupFunction {
  return (hostname, options, callback) => {
    try {
      lookup(hostname, options, callback);
    } catch (error) {
      process.nextTick(callback, error, '', 0);
    }
  };
}

/**
 * Checks the options, and returns a function that opens the stream. Throws ERR_OPTION_INVALID before anything is
 * opened. The function rejects with ERR_DIAL_CONNECT, with the signal's reason, or with what `connect` threw.
 */
export function streamOpener(url: URL, options: DialStreamOptions): (signal: AbortSignal) => Promise<Duplex> {
  const { connect, tls = {} } = options;
  if (connect === undefined) {
    const route = routeTo(url, options);
    return async (signal) => prepared(await connected(url, route, tls, signal));
  }
  if (typeof connect !== 'function') throw optionInvalid('connect', connect, 'a function that makes a stream');
  for (const name of ['localAddress', 'family', 'lookup'] as const) {
    if (options[name] !== undefined) throw optionInvalid(name, options[name], 'left out where there is a `connect`');
  }
  return async (signal) => {
    const stream = await orAbort(Promise.resolve(connect(url, signal)), signal, (tooLate) => tooLate.destroy());
    if (typeof stream?.write !== 'function') throw optionInvalid('connect', stream, 'a function that makes a stream');
    return prepared(stream);
  };
}

function prepared(stream: Duplex): Duplex {
  stream.on('error', () => undefined);
  if (stream instanceof Socket) stream.setNoDelay(true);
  return stream;
}

function connected(url: URL, route: Route, tls: ConnectionOptions, signal: AbortSignal): Promise<Socket> {
  const isTls = url.protocol === 'wss:';
  return new Promise((resolve, reject) => {
    let socket: Socket;
    try {
      const name = isIP(route.host) === 0 ? { servername: route.host } : {};
      const { host, port, ...ways } = route;
      socket = isTls ? connectTls({ host, port, ...name, ...tls, ...ways }) : connectTcp(route);
    } catch (cause) {
      // A certificate that cannot be read, or another option of TLS that is wrong.
      reject(connectError(url, cause));
      return;
    }
    const finish = (): void => {
      socket.off('error', onError);
      signal.removeEventListener('abort', onAbort);
    };
    const onError = (cause: Error): void => {
      finish();
      socket.on('error', () => undefined).destroy();
      reject(connectError(url, cause));
    };
    const onAbort = (): void => {
      finish();
      socket.on('error', () => undefined).destroy();
      reject(signal.reason);
    };
    signal.addEventListener('abort', onAbort);
    socket.once('error', onError);
    socket.once(isTls ? 'secureConnect' : 'connect', () => {
      finish();
      resolve(socket);
    });
  });
}

function connectError(url: URL, cause: unknown): EngineError {
  const text = `cannot connect to ${url.host}: ${inWords(cause)}`;
  return new EngineError('ERR_DIAL_CONNECT', text, { given: url.href, cause });
}

/** The error text and code of the system. If several addresses were tried: those of each. */
function inWords(cause: unknown): string {
  const errors: readonly unknown[] = cause instanceof AggregateError ? cause.errors : [cause];
  const texts = errors.map((error) => {
    const text = errorText(error);
    const code = errorCode(error);
    return code === undefined || text.includes(code) ? text : `${text} (${code})`;
  });
  return texts.join(', ');
}
