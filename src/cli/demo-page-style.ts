/** Style of the demo page. */
export const demoStyle: string = `
:root {
  color-scheme: light dark;
  --back: #f4f6f8; --card: #ffffff; --line: #d5dbe1; --text: #1a2129; --muted: #57626d;
  --accent: #1559c4; --accent-text: #ffffff; --bad: #b3261e; --cross: #fff4d6; --cross-line: #8a5a00;
  --s0: #1559c4; --s1: #b23c17; --s2: #1d7a3c; --s3: #8a2fb0; --s4: #0d7680; --s5: #b0286a; --s6: #6b6a13; --s7: #52596b;
  --on-shard: #ffffff;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #0f1419; --card: #182028; --line: #33404c; --text: #e6ebf0; --muted: #9aa7b4;
    --accent: #6ea8fe; --accent-text: #0b1420; --bad: #ff8a80; --cross: #33290f; --cross-line: #e0a93a;
    --s0: #6ea8fe; --s1: #ff9b73; --s2: #6fd08c; --s3: #d79bf3; --s4: #5fd0d8; --s5: #ff93c0; --s6: #d3d16a; --s7: #b0b9cc;
    --on-shard: #10161c;
  }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1280px; padding: 16px 20px 20px; background: var(--back); color: var(--text);
  font: 14px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: 2px 16px; margin-bottom: 12px; }
header p { margin: 0; color: var(--muted); flex: 1 1 420px; }
h1 { font-size: 22px; margin: 0; letter-spacing: -0.02em; }
h2 { font-size: 15px; margin: 0; }
main { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); gap: 14px; align-items: stretch; min-height: calc(100vh - 84px); }
@media (max-width: 860px) { main { grid-template-columns: minmax(0, 1fr); } }
.column { display: grid; gap: 14px; align-content: start; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 12px 16px 14px; }
.card > h2 { margin-bottom: 8px; }
.row { display: flex; flex-wrap: wrap; align-items: end; gap: 8px; }
.row + .row { margin-top: 8px; }
.spread { justify-content: space-between; align-items: center; }
label { display: grid; gap: 3px; font-size: 13px; color: var(--muted); flex: 1 1 130px; }
.wide { flex: 1 1 220px; }
button, input { font: inherit; color: inherit; border: 1px solid var(--line); border-radius: 6px; padding: 4px 10px; background: var(--card); }
input { width: 100%; min-width: 0; font-size: 14px; color: var(--text); background: var(--back); }
input[type=radio] { width: auto; margin: 0; accent-color: var(--accent); vertical-align: middle; }
button { cursor: pointer; white-space: nowrap; }
button:hover:not(:disabled) { border-color: var(--accent); }
button:disabled { opacity: 0.45; cursor: default; }
.primary { background: var(--accent); border-color: var(--accent); color: var(--accent-text); }
.link { border: 0; padding: 0; background: none; color: var(--accent); text-decoration: underline; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.hint { margin: 10px 0 0; font-size: 13px; color: var(--muted); }
.shards { list-style: none; margin: 12px 0 0; padding: 0; display: flex; flex-wrap: wrap; gap: 6px 18px; font-size: 13px; min-height: 24px; }
.shards li { display: flex; align-items: center; gap: 8px; }
.shards .none { color: var(--muted); }
.shard { display: inline-block; border-radius: 4px; padding: 0 6px; font-size: 12px; font-weight: 600; line-height: 19px;
  white-space: nowrap; background: var(--muted); color: var(--on-shard); }
.s0 { background: var(--s0); } .s1 { background: var(--s1); } .s2 { background: var(--s2); } .s3 { background: var(--s3); }
.s4 { background: var(--s4); } .s5 { background: var(--s5); } .s6 { background: var(--s6); } .s7 { background: var(--s7); }
.scroll { margin-top: 10px; max-height: 206px; overflow: auto; border-top: 1px solid var(--line); }
table { border-collapse: collapse; width: 100%; font-size: 13px; }
th { text-align: left; font-weight: 500; color: var(--muted); position: sticky; top: 0; background: var(--card); }
th, td { padding: 5px 8px 5px 0; border-bottom: 1px solid var(--line); white-space: nowrap; }
td.in { white-space: normal; width: 40%; overflow-wrap: anywhere; }
tr:last-child td { border-bottom: 0; }
.id, .sender, .data { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
.id, .sender { font-size: 12px; }
.ended { color: var(--muted); }
.log-card { display: flex; flex-direction: column; min-height: 320px; }
.log-card .spread { margin-bottom: 8px; }
#log { list-style: none; margin: 0 -6px; padding: 0 6px; flex: 1 1 0; min-height: 240px; overflow: auto; font-size: 13px; }
@media (max-width: 860px) { #log { flex-basis: 360px; } }
#log li { position: relative; padding: 5px 76px 5px 8px; border-bottom: 1px solid var(--line); border-left: 3px solid transparent; }
#log li.cross { background: var(--cross); border-left-color: var(--cross-line); }
#log li.error { border-left-color: var(--bad); }
#log li.own { color: var(--muted); }
#log .meta { display: flex; flex-wrap: wrap; align-items: center; gap: 2px 7px; }
#log .kind { font-weight: 600; }
#log .error .kind { color: var(--bad); }
#log time { position: absolute; top: 6px; right: 8px; color: var(--muted); font-size: 12px; font-variant-numeric: tabular-nums; }
#log .data { overflow-wrap: anywhere; white-space: pre-wrap; margin-top: 2px; color: var(--text); }
#log .note { color: var(--cross-line); font-weight: 600; font-size: 12px; }
.sender { color: var(--muted); }
`;
