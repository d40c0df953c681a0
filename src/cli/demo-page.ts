import { createHash } from 'node:crypto';
import { demoScript } from './demo-page-script.ts';
import { demoStyle } from './demo-page-style.ts';

function sourceHash(source: string): string {
  return `'sha256-${createHash('sha256').update(source).digest('base64')}'`;
}

/**
 * Loads nothing from other hosts, and runs no code but the script below. `ws:` is spelled out, because not every
 * browser counts it as 'self'.
 */
const policy = [
  "default-src 'none'",
  `script-src ${sourceHash(demoScript)}`,
  `style-src ${sourceHash(demoStyle)}`,
  "connect-src 'self' ws: wss:",
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

const icon =
  'data:image/svg+xml,' +
  encodeURIComponent(
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="4" fill="#1f6feb"/>' +
      '<path d="M3 5h10M3 8h10M3 11h10" stroke="#fff" stroke-width="1.6" stroke-linecap="round"/></svg>',
  );

function attribute(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;');
}

export interface DemoPageOptions {
  /** Where the engine serves WebSockets. */
  readonly path: string;
}

/** The demo page: one HTML document without other files. It connects to the port that it came from. */
export function demoPage({ path }: DemoPageOptions): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${attribute(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>shardwire demo</title>
<link rel="icon" href="${icon}">
<style>${demoStyle}</style>
</head>
<body data-path="${attribute(path)}">
<header>
  <h1>shardwire</h1>
  <p>Each connection lives in one shard, a thread of its own. Open a second tab to talk across shards.</p>
</header>
<noscript><p class="card">This page needs JavaScript.</p></noscript>
<main>
<div class="column">
  <section class="card" aria-labelledby="connections-title">
    <h2 id="connections-title">Connections</h2>
    <div class="row">
      <button type="button" id="connect" class="primary">Connect</button>
      <button type="button" id="connect-more">Open 4 more</button>
      <button type="button" id="disconnect">Disconnect</button>
      <button type="button" id="disconnect-all">Disconnect all</button>
    </div>
    <ul id="shards" class="shards" aria-label="Connections by shard"></ul>
    <div class="scroll" tabindex="0" role="group" aria-label="Connections of this tab">
      <table>
        <thead><tr><th scope="col">Use</th><th scope="col">Connection</th><th scope="col">Shard</th><th scope="col">State</th><th scope="col">Member of</th></tr></thead>
        <tbody id="connections"></tbody>
      </table>
    </div>
  </section>
  <section class="card" aria-labelledby="channel-title">
    <h2 id="channel-title">Channel</h2>
    <form id="channel-form">
      <div class="row">
        <label>Name <input id="channel" value="news" maxlength="80" required autocomplete="off" spellcheck="false"></label>
        <button type="button" id="subscribe">Subscribe</button>
        <button type="button" id="unsubscribe">Unsubscribe</button>
      </div>
      <div class="row">
        <label class="wide">Message <input id="channel-text" value="Hello, shards!" maxlength="2000" autocomplete="off"></label>
        <button class="primary">Publish</button>
      </div>
    </form>
  </section>
  <section class="card" aria-labelledby="room-title">
    <h2 id="room-title">Room</h2>
    <form id="room-form">
      <div class="row">
        <label>Name <input id="room" value="lounge" maxlength="80" required autocomplete="off" spellcheck="false"></label>
        <button type="button" id="join">Join</button>
        <button type="button" id="leave">Leave</button>
      </div>
      <div class="row">
        <label class="wide">Message <input id="room-text" value="Anyone here?" maxlength="2000" autocomplete="off"></label>
        <button class="primary">Send</button>
      </div>
    </form>
    <p class="hint">Only members may send to a room, and clients may not broadcast unless <code>authorize</code>
      allows it: <button type="button" id="broadcast" class="link">try it</button>, the refusal shows in the log.</p>
  </section>
</div>
<section class="card log-card" aria-labelledby="log-title">
  <div class="row spread">
    <h2 id="log-title">Log</h2>
    <button type="button" id="clear">Clear</button>
  </div>
  <ol id="log" role="log" aria-live="polite" aria-labelledby="log-title" tabindex="0"></ol>
</section>
</main>
<template id="connection-row"><tr>
  <td><input type="radio" name="acting"></td><td class="id"></td><td class="at"></td><td class="state"></td><td class="in"></td>
</tr></template>
<script>${demoScript}</script>
</body>
</html>
`;
}
