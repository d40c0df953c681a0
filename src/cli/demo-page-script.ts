/** The demo page's script. Text from clients enters the document as text only, never as markup. */
export const demoScript: string = `
'use strict';
const byId = (id) => document.getElementById(id);
const endpoint = location.origin.replace(/^http/, 'ws') + document.body.dataset.path;
const presence = 'presence';
const mostConnections = 64, mostLines = 300, mostPeers = 500;

/** Of this tab, in the order they were opened: { socket, id, shard, state, memberships, asked, row }. */
const connections = [];
/** Connections of other tabs: id -> shard. */
const peers = new Map();
let acting = null;
let watching = null;

// ---- reading an id

function shardOf(id) {
  return typeof id === 'string' && /^[0-9a-z]{1,2}-[0-9a-z-]{1,60}$/.test(id) ? parseInt(id.split('-', 1)[0], 36) : -1;
}

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function badge(shard) {
  return shard < 0 ? element('span', 'shard', 'shard ?') : element('span', 'shard s' + (shard % 8), 'shard ' + shard);
}

// ---- log

function line(className, meta, data) {
  const log = byId('log');
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  const item = element('li', className);
  const head = element('div', 'meta');
  head.append(...meta);
  const now = new Date();
  const time = element('time', '', now.toLocaleTimeString([], { hour12: false }));
  time.dateTime = now.toISOString();
  head.append(time);
  item.append(head);
  if (data !== undefined) item.append(element('div', 'data', data));
  log.append(item);
  while (log.childElementCount > mostLines) log.firstElementChild.remove();
  if (atEnd) log.scrollTop = log.scrollHeight;
}

function kind(text) {
  return element('span', 'kind', text);
}

function asText(message) {
  if (typeof message.data_base64 === 'string') return 'base64: ' + message.data_base64;
  if (message.data === undefined || message.data === null) return undefined;
  return typeof message.data === 'string' ? message.data : JSON.stringify(message.data);
}

function logArrival(connection, message) {
  const from = shardOf(message.client_id);
  const crossed = from >= 0 && connection.shard >= 0 && from !== connection.shard;
  const what = message.channel ? (message.type === 'room' ? 'room ' : 'channel ') + message.channel : message.type;
  const meta = [kind(what)];
  if (from >= 0) {
    meta.push(badge(from), '→', badge(connection.shard));
    if (crossed) meta.push(element('span', 'note', 'crossed shards'));
    const own = connections.some((other) => other.id === message.client_id);
    meta.push(element('span', 'sender', 'from ' + message.client_id + (own ? ' (this tab)' : '')));
  } else {
    meta.push(badge(connection.shard));
  }
  line(crossed ? 'cross' : '', meta, asText(message));
}

function logRefusal(connection, data) {
  const { code, message, for: type } = data ?? {};
  const meta = [kind('refused' + (type ? ': ' + type : '')), badge(connection.shard)];
  line('error', meta, [code, message].filter(Boolean).join(': '));
}

// ---- showing connections

function isOpen(connection) {
  return connection !== null && connection.socket.readyState === WebSocket.OPEN;
}

function showShards() {
  const shards = new Map();
  const count = (shard, place) => {
    if (shard < 0) return;
    if (!shards.has(shard)) shards.set(shard, [0, 0]);
    shards.get(shard)[place] += 1;
  };
  for (const connection of connections) if (isOpen(connection)) count(connection.shard, 0);
  for (const shard of peers.values()) count(shard, 1);
  const items = [...shards].sort((a, b) => a[0] - b[0]).map(([shard, [here, elsewhere]]) => {
    const item = element('li');
    const places = [[here, ' in this tab'], [elsewhere, ' elsewhere']].filter(([number]) => number > 0);
    item.append(badge(shard), places.map((place) => place.join('')).join(', '));
    return item;
  });
  if (items.length === 0) {
    // Handlers other than the demo's need not send a welcome.
    const text = connections.some(isOpen) ? 'The server does not tell which shard it is.' : 'No connection is open.';
    items.push(element('li', 'none', text));
  }
  byId('shards').replaceChildren(...items);
}

function show(connection) {
  const { row } = connection;
  const name = connection.id ?? 'not known yet';
  row.querySelector('.id').textContent = connection.id ?? '…';
  row.querySelector('.at').replaceChildren(...(connection.shard < 0 ? ['…'] : [badge(connection.shard)]));
  row.querySelector('.state').textContent = connection.state;
  row.querySelector('.in').textContent = [...connection.memberships].join(' ');
  row.className = connection.state.startsWith('closed') ? 'ended' : '';
  const radio = row.querySelector('input');
  radio.setAttribute('aria-label', 'Use connection ' + name);
  radio.disabled = connection.state.startsWith('closed');
  radio.checked = connection === acting;
}

function refresh() {
  if (!isOpen(acting)) acting = connections.find(isOpen) ?? acting;
  for (const connection of connections) show(connection);
  showShards();
  const any = connections.some((connection) => !connection.state.startsWith('closed'));
  const ready = isOpen(acting);
  for (const id of ['subscribe', 'unsubscribe', 'join', 'leave', 'broadcast', 'disconnect']) byId(id).disabled = !ready;
  for (const button of document.querySelectorAll('form .primary')) button.disabled = !ready;
  byId('disconnect-all').disabled = !any;
  watchPresence();
}

// ---- who else is here: one connection of a tab speaks for all of them

function ownIds() {
  return connections.filter((connection) => isOpen(connection) && connection.id !== null).map(({ id }) => id);
}

function announce(ask) {
  if (isOpen(watching)) send(watching, { type: 'publish', channel: presence, data: { ids: ownIds(), ask } });
}

function watchPresence() {
  if (isOpen(watching)) return;
  watching = connections.find((connection) => isOpen(connection) && connection.id !== null) ?? null;
  peers.clear();
  if (watching === null) return;
  send(watching, { type: 'subscribe', data: { channel: presence } });
  announce(true);
}

function onPresence(message) {
  const data = message.data ?? {};
  if (message.type === 'left') {
    peers.delete(data.id);
  } else if (message.type === 'message' && Array.isArray(data.ids)) {
    if (connections.some(({ id }) => id === message.client_id)) return;
    for (const id of data.ids) {
      if (shardOf(id) < 0 || peers.size >= mostPeers || connections.some((own) => own.id === id)) continue;
      peers.set(id, shardOf(id));
    }
    if (data.ask === true) announce(false);
  }
  showShards();
}

// ---- connections

function send(connection, message) {
  connection.socket.send(JSON.stringify(message));
}

function onMessage(connection, text) {
  let message;
  try {
    message = JSON.parse(text);
  } catch {
    line('error', [kind('not JSON'), badge(connection.shard)], String(text).slice(0, 2000));
    return;
  }
  if (message.type === 'welcome' && connection.id === null && shardOf(message.data?.id) >= 0) {
    connection.id = message.data.id;
    connection.shard = shardOf(connection.id);
    line('own', [kind('connected'), badge(connection.shard), element('span', 'sender', connection.id)]);
    refresh();
    if (connection !== watching) announce(false);
    return;
  }
  if (message.channel === presence) {
    if (connection === watching) onPresence(message);
    // Answers to this page's own requests are not logged.
    if (!connection.memberships.has('#' + presence)) return;
  }
  if (message.type === 'error') {
    const membership = connection.asked[message.data?.for];
    if (membership !== undefined) connection.memberships.delete(membership);
    logRefusal(connection, message.data);
    show(connection);
  } else {
    logArrival(connection, message);
  }
}

function open() {
  const row = byId('connection-row').content.firstElementChild.cloneNode(true);
  const socket = new WebSocket(endpoint);
  const connection = { socket, id: null, shard: -1, state: 'connecting', memberships: new Set(), asked: {}, row };
  row.querySelector('input').addEventListener('change', () => {
    acting = connection;
    refresh();
  });
  socket.addEventListener('open', () => {
    connection.state = 'open';
    refresh();
  });
  socket.addEventListener('message', ({ data }) => onMessage(connection, data));
  socket.addEventListener('close', ({ code, reason }) => {
    connection.state = 'closed (' + code + ')';
    connection.memberships.clear();
    const text = 'closed with code ' + code + (code === 1001 ? ', going away' : '') + (reason ? ': ' + reason : '');
    line('own', [kind(text), badge(connection.shard), element('span', 'sender', connection.id ?? '')]);
    refresh();
  });
  connections.push(connection);
  byId('connections').append(row);
}

function openMore(count) {
  for (const connection of connections.filter(({ state }) => state.startsWith('closed'))) {
    connections.splice(connections.indexOf(connection), 1);
    connection.row.remove();
  }
  for (let i = 0; i < count && connections.length < mostConnections; i++) open();
  refresh();
}

/** Sends from the chosen connection and logs it. */
function act(text, message) {
  if (!isOpen(acting)) return;
  send(acting, message);
  line('own', [kind(text), badge(acting.shard), element('span', 'sender', 'by ' + (acting.id ?? 'this tab'))]);
}

function nameIn(id) {
  const input = byId(id);
  return input.reportValidity() ? input.value : null;
}

function onName(button, input, run) {
  byId(button).addEventListener('click', () => {
    const name = nameIn(input);
    if (name === null || !isOpen(acting)) return;
    run(name);
    show(acting);
  });
}

byId('connect').addEventListener('click', () => openMore(1));
byId('connect-more').addEventListener('click', () => openMore(4));
byId('disconnect').addEventListener('click', () => acting?.socket.close(1000));
byId('disconnect-all').addEventListener('click', () => {
  for (const { socket } of connections) socket.close(1000);
});
byId('clear').addEventListener('click', () => byId('log').replaceChildren());

onName('subscribe', 'channel', (channel) => {
  acting.memberships.add('#' + channel);
  acting.asked.subscribe = '#' + channel;
  act('subscribe ' + channel, { type: 'subscribe', data: { channel } });
});
onName('unsubscribe', 'channel', (channel) => {
  acting.memberships.delete('#' + channel);
  act('unsubscribe ' + channel, { type: 'unsubscribe', data: { channel } });
});
onName('join', 'room', (room) => {
  acting.memberships.add('@' + room);
  acting.asked.join_room = '@' + room;
  act('join ' + room, { type: 'join_room', data: { room_id: room } });
});
onName('leave', 'room', (room) => {
  acting.memberships.delete('@' + room);
  act('leave ' + room, { type: 'leave_room', data: { room_id: room } });
});
byId('channel-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const channel = nameIn('channel');
  if (channel !== null) act('publish to ' + channel, { type: 'publish', channel, data: byId('channel-text').value });
});
byId('room-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const room = nameIn('room');
  if (room === null) return;
  act('send to room ' + room, { type: 'room', data: { room_id: room, data: byId('room-text').value } });
});
byId('broadcast').addEventListener('click', () => act('broadcast', { type: 'broadcast', data: 'Hello, everyone!' }));

openMore(1);
`;
