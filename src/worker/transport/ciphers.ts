/** Of TLS 1.2, the suites with forward secrecy and authenticated encryption. Suites of TLS 1.3 are not chosen by this list. */
export const tls12Ciphers: string =
  'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:' +
  'ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305';
