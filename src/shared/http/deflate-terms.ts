import type { ExtensionTerms } from './extension-header.ts';

export const deflateName = 'permessage-deflate';

/** Names of its parameters (RFC 7692 section 7.1). */
export const deflateParameter = {
  serverNoContextTakeover: 'server_no_context_takeover',
  clientNoContextTakeover: 'client_no_context_takeover',
  serverMaxWindowBits: 'server_max_window_bits',
  clientMaxWindowBits: 'client_max_window_bits',
} as const;

/** What one offer of permessage-deflate, or the answer to one, says. */
export interface DeflateTerms {
  readonly serverNoContextTakeover: boolean;
  readonly clientNoContextTakeover: boolean;
  /** Bits of the server's window; null: not given. In an offer: the largest window that the client can inflate. */
  readonly serverMaxWindowBits: number | null;
  /** Bits of the client's window; 'any': the parameter has no value; null: not given, so an answer must not set it. */
  readonly clientMaxWindowBits: number | 'any' | null;
}

/** 8 to 15, decimal, without a leading zero (RFC 7692 section 7.1.2). It has no repeat. */
const bitsForm = /^(?:[89]|1[0-5])$/;

/** Parameters by their meaning, or what is wrong with them in words: a wrong value, one given twice, an unknown one. */
export function readDeflateTerms({ parameters }: ExtensionTerms): DeflateTerms | string {
  const values = new Map<string, string | null>();
  for (const [name, value] of parameters) {
    if (values.has(name)) return `${name} is given twice`;
    values.set(name, value);
    switch (name) {
      case deflateParameter.serverNoContextTakeover:
      case deflateParameter.clientNoContextTakeover:
        if (value !== null) return `${name} has a value`;
        break;
      case deflateParameter.serverMaxWindowBits:
        if (value === null || !bitsForm.test(value)) return `${name} is not a number from 8 to 15`;
        break;
      case deflateParameter.clientMaxWindowBits:
        if (value !== null && !bitsForm.test(value)) return `${name} is not a number from 8 to 15`;
        break;
      default:
        return `${name} is unknown`;
    }
  }
  const serverBits = values.get(deflateParameter.serverMaxWindowBits);
  const clientBits = values.get(deflateParameter.clientMaxWindowBits);
  return {
    serverNoContextTakeover: values.has(deflateParameter.serverNoContextTakeover),
    clientNoContextTakeover: values.has(deflateParameter.clientNoContextTakeover),
    serverMaxWindowBits: typeof serverBits === 'string' ? Number(serverBits) : null,
    clientMaxWindowBits: clientBits === undefined ? null : clientBits === null ? 'any' : Number(clientBits),
  };
}
