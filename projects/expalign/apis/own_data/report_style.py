"""How the page of a report looks, in light and dark surroundings."""

STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1b; --paper: #fff; --line: #d5d5d5; --soft: #f3f3f3;
  --missed: #D55E00; --wrong: #CC79A7; --right: #009E73; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #ececec; --paper: #161616; --line: #444; --soft: #242424; } }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, 'DejaVu Sans', sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 1.5rem; }
h1 { font-size: 1.6rem; line-height: 1.25; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .7rem; text-align: right; }
th[scope=row] { text-align: left; font-weight: 600; overflow-wrap: break-word; }
th[scope=col] { vertical-align: bottom; font-weight: 600; }
th[scope=col]:first-child { text-align: left; }
.facts td { text-align: left; overflow-wrap: anywhere; }
.wide { overflow-x: auto; } .wide th[scope=row] { white-space: nowrap; }
.matrix td { min-width: 2.2rem; text-align: center; }
.matrix td { background: color-mix(in srgb, var(--tone) calc(var(--share) * 60%), transparent); }
.matrix td.right { --tone: var(--right); } .matrix td.wrong { --tone: var(--missed); }
pre { background: var(--soft); padding: .7rem 1rem; font-size: .85rem;
  white-space: pre-wrap; overflow-wrap: anywhere; }
.pictures { display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fill, minmax(min(26rem, 100%), 1fr)); }
figure { margin: 0; } figure img { width: 100%; height: auto; display: block; }
figcaption { font-size: .85rem; overflow-wrap: anywhere; }
.key { color: #fff; padding: .1rem .5rem; } .key.missed { background: #B34E00; }
.key.wrong { background: #A34D7D; } .key.right { background: #00714F; }
"""
