import { EngineError } from '../shared/errors/index.ts';
import {
  deflateName,
  type ExtensionTerms,
  hasToken,
  isHandshakeKey,
  parseExtensions,
  parseTokens,
} from '../shared/http/index.ts';
import { answerDeflateOffer, type DeflateConfig, type DeflateParameters } from './deflate-negotiation.ts';
import { canonicalName, type HeaderValues, malformed, type RequestHead } from './http-head.ts';

type Awaitable<T> = T | Promise<T>;

/**
 * Hooks of a program, in the order in which a handshake calls them. A hook that throws refuses the handshake: with 500,
 * or as `handshakeRejection` says. No later hook is called then.
 */
export interface UpgradeHooks {
  readonly onRequest?: (target: string) => Awaitable<void>;
  readonly onHost?: (host: string) => Awaitable<void>;
  /** Whether to use a subprotocol that the client offers: the first that is accepted is used. */
  readonly acceptSubprotocol?: (name: string) => Awaitable<boolean>;
  /** Terms for an extension that the client offers, or null. Not called for permessage-deflate if `deflate` is given. */
  readonly negotiate?: (offer: ExtensionTerms) => Awaitable<ExtensionTerms | null>;
  /** Every header that has no part in the handshake, its name in the form `X-Some-Name`. */
  readonly onHeader?: (name: string, value: string) => Awaitable<void>;
  /** Called when all checks have passed. The headers that it returns are added to the answer. */
  readonly onBeforeUpgrade?: () => Awaitable<HeaderValues | undefined>;
}

export interface NegotiationRules {
  readonly hooks: UpgradeHooks;
  /** Subprotocols of this server, the best first. */
  readonly subprotocols: readonly string[];
  /** Whose order decides. */
  readonly preference: 'server' | 'client';
  readonly unknownSubprotocol: 'accept' | 'reject';
  readonly deflate: DeflateConfig | null;
}

/** What a handshake has settled. */
export interface Negotiated {
  readonly key: string;
  readonly host: string;
  readonly subprotocol: string | null;
  readonly extensions: readonly ExtensionTerms[];
  readonly deflate: DeflateParameters | null;
  /** From `onBeforeUpgrade`. */
  readonly headers: HeaderValues;
}

/** One handshake in progress. It checks headers in the order in which they came. */
class Negotiation {
  readonly #rules: NegotiationRules;
  #host: string | null = null;
  #upgrade = false;
  #connection = false;
  #version = false;
  #key: string | null = null;
  readonly #offered: string[] = [];
  #subprotocol: string | null = null;
  readonly #extensions: ExtensionTerms[] = [];
  #deflate: DeflateParameters | null = null;

  constructor(rules: NegotiationRules) {
    this.#rules = rules;
  }

  async header(name: string, value: string): Promise<void> {
    const { hooks } = this.#rules;
    switch (name.toLowerCase()) {
      case 'host':
        if (this.#host !== null || value === '') throw badHost();
        this.#host = value;
        return hooks.onHost?.(value);
      case 'upgrade':
        if (this.#upgrade || value.toLowerCase() !== 'websocket') throw badUpgrade();
        this.#upgrade = true;
        return;
      case 'connection':
        this.#connection ||= hasToken(value, 'upgrade');
        return;
      case 'sec-websocket-version':
        if (this.#version || value !== '13') throw badVersion(value === '' ? undefined : value);
        this.#version = true;
        return;
      case 'sec-websocket-key':
        if (this.#key !== null || !isHandshakeKey(value)) throw badKey();
        this.#key = value;
        return;
      case 'sec-websocket-protocol':
        return this.#subprotocols(value);
      case 'sec-websocket-extensions':
        return this.#extensionOffers(value);
      case 'content-length':
        // The bytes behind the head are frames: there is no place for a body.
        if (value !== '0') throw malformed('a handshake has no body');
        return;
      case 'transfer-encoding':
        throw malformed('a handshake has no body');
      default:
        return hooks.onHeader?.(canonicalName(name), value);
    }
  }

  async #subprotocols(value: string): Promise<void> {
    const names = parseTokens(value);
    if (names === null) throw malformed('Sec-WebSocket-Protocol is not a list of tokens');
    const { hooks, preference, subprotocols } = this.#rules;
    this.#offered.push(...names);
    for (const name of names) {
      if (this.#subprotocol !== null) return;
      const isOurs = preference === 'client' && subprotocols.includes(name);
      if (isOurs || (await hooks.acceptSubprotocol?.(name)) === true) this.#subprotocol = name;
    }
  }

  async #extensionOffers(value: string): Promise<void> {
    const offers = parseExtensions(value);
    if (offers === null) throw malformed('Sec-WebSocket-Extensions is not a list of extensions');
    const { hooks, deflate } = this.#rules;
    for (const offer of offers) {
      if (offer.name === deflateName && deflate !== null) {
        const answer = this.#deflate === null ? answerDeflateOffer(offer, deflate) : null;
        if (answer === null) continue;
        this.#deflate = answer.parameters;
        this.#extensions.push(answer.terms);
      } else {
        const terms = (await hooks.negotiate?.(offer)) ?? null;
        if (terms !== null) this.#extensions.push(terms);
      }
    }
  }

  /** All headers were seen: what is missing, in a fixed order, and the last hook. */
  async finish(): Promise<Negotiated> {
    if (this.#host === null) throw badHost();
    if (!this.#upgrade) throw badUpgrade();
    if (!this.#connection) throw badConnection();
    if (!this.#version) throw badVersion(undefined);
    if (this.#key === null) throw badKey();
    const { hooks, subprotocols, preference, unknownSubprotocol } = this.#rules;
    if (preference === 'server') {
      this.#subprotocol ??= subprotocols.find((name) => this.#offered.includes(name)) ?? null;
    }
    if (this.#subprotocol === null && this.#offered.length > 0 && unknownSubprotocol === 'reject') {
      const text = `none of the offered subprotocols is known; known are: ${subprotocols.join(', ')}`;
      throw new EngineError('ERR_HANDSHAKE_SUBPROTOCOL', text, { given: this.#offered });
    }
    return {
      key: this.#key,
      host: this.#host,
      subprotocol: this.#subprotocol,
      extensions: this.#extensions,
      deflate: this.#deflate,
      headers: (await hooks.onBeforeUpgrade?.()) ?? {},
    };
  }
}

/** Judges a request by RFC 6455 section 4.2.1. Throws why it is refused. */
export async function negotiate(request: RequestHead, rules: NegotiationRules): Promise<Negotiated> {
  const { method, target, major, minor, headers } = request;
  if (major !== 1 || minor < 1) {
    throw new EngineError('ERR_HANDSHAKE_HTTP_VERSION', 'a handshake is of HTTP/1.1', { given: `${major}.${minor}` });
  }
  if (method !== 'GET')
    throw new EngineError('ERR_HANDSHAKE_METHOD', 'a handshake is a GET request', { given: method });
  await rules.hooks.onRequest?.(target);
  const negotiation = new Negotiation(rules);
  for (const [name, value] of headers) await negotiation.header(name, value);
  return negotiation.finish();
}

function badHost(): EngineError {
  return new EngineError('ERR_HANDSHAKE_HOST', 'the Host header must be given exactly once');
}

function badUpgrade(): EngineError {
  return new EngineError('ERR_HANDSHAKE_UPGRADE', 'the Upgrade header must be "websocket"');
}

function badConnection(): EngineError {
  return new EngineError('ERR_HANDSHAKE_CONNECTION', 'the Connection header must contain "Upgrade"');
}

function badVersion(given: string | undefined): EngineError {
  return new EngineError('ERR_HANDSHAKE_VERSION', 'Sec-WebSocket-Version must be 13', { given });
}

function badKey(): EngineError {
  const text = 'Sec-WebSocket-Key must be the base64 form of 16 bytes, given once';
  return new EngineError('ERR_HANDSHAKE_KEY', text);
}
