/** Which implementation runs on both sides. */
export type EchoKind = 'ours' | 'ws';

export interface EchoServerData {
  readonly kind: EchoKind;
}

/** The server listens. */
export interface EchoServerAnswer {
  readonly port: number;
}
