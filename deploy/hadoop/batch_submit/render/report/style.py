"""The page's style sheet: calm and dense; light, dark, narrow and printed."""

from __future__ import annotations

#: Colours of lines: blue and vermillion of Okabe and Ito (2008), told apart with every kind of colour vision; green and
#: red only ever stand beside a word that says the same.
_LIGHT = """
--paper:#fff;--raised:#f6f7f9;--ink:#1c2128;--muted:#59636e;--line:#dfe3e8;--accent:#0b5cad;
--first:#0072b2;--second:#d55e00;--third:#009e73;
--good:#1a7f37;--bad:#b42318;--careful:#8a5a00;
--good-back:#e4f4e8;--bad-back:#fdeceb;--careful-back:#fdf3dc;
"""
_DARK = """
--paper:#14181d;--raised:#1d2228;--ink:#e4e8ec;--muted:#9aa5b1;--line:#313840;--accent:#6cb2f5;
--first:#56b4e9;--second:#f0894a;--third:#3ec79d;
--good:#5fd080;--bad:#ff8f85;--careful:#e6b450;
--good-back:#17301f;--bad-back:#3a1d1c;--careful-back:#35290f;
"""

_BASE = """
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);
font:14px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue","Noto Sans","Liberation Sans",Arial,sans-serif}
header,.layout,footer{max-width:1280px;margin:0 auto;padding:0 24px}
header{padding-top:28px}
h1{font-size:26px;line-height:1.25;margin:2px 0 4px;overflow-wrap:anywhere;letter-spacing:-.01em}
h2{font-size:18px;margin:0 0 10px;padding-top:8px}
h3{font-size:14px;margin:18px 0 6px}
p{margin:6px 0}
a{color:var(--accent)}
code{font:12.5px/1.45 ui-monospace,"SF Mono",Menlo,Consolas,"Liberation Mono",monospace;unicode-bidi:isolate}
code.long,td.wide{overflow-wrap:anywhere}
.kind{margin:0;color:var(--muted);text-transform:uppercase;letter-spacing:.06em;font-size:12px;font-weight:600}
.ids{margin:0 0 14px;color:var(--muted);overflow-wrap:anywhere}
.skip{position:absolute;left:-999px}.skip:focus{left:8px;top:8px;background:var(--paper);padding:4px 8px}
.layout{display:grid;grid-template-columns:168px minmax(0,1fr);gap:32px;padding-top:20px}
nav{position:sticky;top:12px;align-self:start;max-height:calc(100vh - 24px);overflow-y:auto}
nav ol{list-style:none;margin:0;padding:6px 0;font-size:13px}
nav a{display:block;padding:3px 8px;color:var(--muted);text-decoration:none;border-left:2px solid var(--line)}
nav a:hover,nav a:focus{color:var(--ink);border-left-color:var(--accent)}
section{padding-bottom:18px;margin-bottom:18px;border-bottom:1px solid var(--line);scroll-margin-top:8px}
section:last-child{border-bottom:0}
footer{padding-bottom:28px}
.note,.below,figcaption,.dim{color:var(--muted);font-size:12.5px}
.note{max-width:78ch;overflow-wrap:anywhere}
.failure{color:var(--bad)}
.key{color:var(--muted);font-size:11.5px;white-space:nowrap}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:10px;margin:14px 0 4px}
.card{background:var(--raised);border:1px solid var(--line);border-top:3px solid var(--line);border-radius:6px;
padding:8px 12px}
.card .below{white-space:pre-line}
.card .what{font-size:12px;color:var(--muted)}
.card .value{font-size:21px;line-height:1.3;font-weight:600;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
.card.good{border-top-color:var(--good)}.card.bad{border-top-color:var(--bad)}.card.careful{border-top-color:var(--careful)}
.box{border:1px solid var(--line);border-left:4px solid var(--careful);background:var(--careful-back);border-radius:4px;
padding:8px 14px;margin:10px 0;overflow-wrap:anywhere}
.box.bad{border-left-color:var(--bad);background:var(--bad-back)}
.box h2{font-size:13px;margin:0;padding:0}.box ul{margin:4px 0 0;padding-left:18px}
.badge{display:inline-block;font-size:11.5px;line-height:1.5;font-weight:600;padding:0 7px;border-radius:9px;
background:var(--raised);border:1px solid var(--line);color:var(--muted);white-space:nowrap;vertical-align:middle;
letter-spacing:0}
.badge.good{color:var(--good);background:var(--good-back)}.badge.bad{color:var(--bad);background:var(--bad-back)}
.badge.careful{color:var(--careful);background:var(--careful-back)}
.up{color:var(--good)}.down{color:var(--bad)}
.scroll{overflow-x:auto;max-width:100%}
.scroll:focus-visible{outline:2px solid var(--accent)}
table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums}
th,td{padding:4px 12px 4px 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--line)}
th{font-weight:600;color:var(--muted);font-size:12px;vertical-align:bottom}
td{unicode-bidi:isolate;max-width:46ch;overflow-wrap:break-word}
td.wide{max-width:70ch}
th.number,td.number{text-align:right}td.number{white-space:nowrap}
tr.marked td{background:var(--raised)}
td.bars{min-width:110px;width:160px;vertical-align:middle}
.bar{display:block;height:9px;background:var(--raised);border-radius:2px;overflow:hidden}
.fill{display:block;height:100%;background:var(--first);border-radius:2px}
.fill.bad{background:var(--bad)}.fill.careful{background:var(--careful)}.fill.good{background:var(--good)}
dl.facts{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:2px 18px;margin:6px 0}
dl.facts dt{color:var(--muted)}dl.facts dd{margin:0;overflow-wrap:anywhere}
details{margin:6px 0}
summary{cursor:pointer;color:var(--muted);font-size:12.5px}
figure{margin:0;min-width:0}
figure h3{margin-top:0}
figcaption{min-height:2.9em}
.figures{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,330px),1fr));gap:22px 28px}
.figures+h3{margin-top:26px}
svg.plot{display:block;width:100%;max-width:460px;height:auto}
svg.plot *{stroke-linejoin:round;stroke-linecap:butt}
svg.plot text{font-family:inherit}
.confusion td,.confusion th{padding:6px 12px;border:1px solid var(--line)}
.confusion tbody th{vertical-align:middle}
.confusion td b{display:block;font-weight:600}.confusion td small{color:inherit;opacity:.85}
.confusion .hit{background:color-mix(in srgb,var(--first) calc(var(--share)*38%),transparent)}
.confusion .miss{background:color-mix(in srgb,var(--second) calc(var(--share)*38%),transparent)}
.stage{border-left:3px solid var(--line);padding-left:14px;margin:16px 0}
.stage .card .value{font-size:17px}
"""

_NARROW = """
@media screen and (max-width:860px){
header,.layout,footer{padding-left:14px;padding-right:14px}
.layout{display:block}
nav{position:static;max-height:none;margin-bottom:14px}
nav ol{display:flex;flex-wrap:wrap;gap:4px 12px}
nav a{border:0;padding:2px 0}
.cards{grid-template-columns:repeat(auto-fill,minmax(128px,1fr))}
dl.facts{grid-template-columns:1fr;gap:0}dl.facts dd{margin-bottom:6px}
}
"""

_PRINT = f"""
@media print{{
:root{{color-scheme:light;{_LIGHT}}}
@page{{margin:14mm 12mm}}
body{{font-size:10.5px}}
*{{-webkit-print-color-adjust:exact;print-color-adjust:exact}}
header,.layout,footer{{max-width:none;padding-left:0;padding-right:0}}
.layout{{display:block}}
nav,.skip{{display:none}}
details:not([open]){{display:none}}
h2,h3,summary{{break-after:avoid}}
figure,.card,tr,.box{{break-inside:avoid}}
.figures{{grid-template-columns:repeat(2,minmax(0,1fr))}}
.scroll{{overflow:visible}}
table{{font-size:9.5px}}th{{font-size:9px}}thead{{display:table-header-group}}
code{{font-size:9px}}
td,th{{padding-right:8px}}
a{{color:inherit;text-decoration:none}}
}}
"""

STYLE = (
    f":root{{color-scheme:light dark;{_LIGHT}}}"
    f"@media (prefers-color-scheme:dark){{:root{{{_DARK}}}}}"
    f"{_BASE}{_NARROW}{_PRINT}"
).replace("\n", "")
