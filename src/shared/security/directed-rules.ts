import { type BodyKeys, type BodyRules, bodyRules } from './body.ts';
import { derivedKeys } from './derived-keys.ts';

/** How one end seals and opens. Without a subprotocol that derives keys, both are the same. */
export interface DirectedRules {
  readonly outgoing: BodyRules;
  readonly incoming: BodyRules;
}

/** The rules of one end (`side`) for these keys, with Node's crypto. */
export function directedRules(
  keys: BodyKeys,
  signThenEncrypt: boolean,
  flagged: boolean,
  subprotocol: string | null,
  side: 'client' | 'server',
): DirectedRules {
  if (subprotocol === null) {
    const rules = bodyRules(keys, signThenEncrypt, flagged);
    return { outgoing: rules, incoming: rules };
  }
  const fromClient = bodyRules(derivedKeys(keys, subprotocol, 'from client'), signThenEncrypt, flagged);
  const fromServer = bodyRules(derivedKeys(keys, subprotocol, 'from server'), signThenEncrypt, flagged);
  return side === 'client'
    ? { outgoing: fromClient, incoming: fromServer }
    : { outgoing: fromServer, incoming: fromClient };
}
