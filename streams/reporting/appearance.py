"""How a page looks and follows the pointer: its style sheet and its only script, as text, and the
document around its parts.

Colours are the Okabe-Ito palette (told apart with any colour vision) with a second set for dark
screens; every colour also has a shape, sign or word.
"""

from collections.abc import Iterable
from html import escape

STYLE = """
:root{--page:#f6f7f9;--card:#fff;--ink:#16202b;--soft:#55616f;--rule:#e1e5ea;--grid:#e9edf1;--accent:#00629b;--area:#00629b1f;
--gain:#00735a;--loss:#b34700;--buy:#0072b2;--sell:#d55e00;--toxic:#8a3f73;--toxic-area:#cc79a733;--warn:#fff5e0;--warn-edge:#e69f00;--shade:#f0f3f6;--ruin:#b3141e}
@media(prefers-color-scheme:dark){:root{--page:#0f151b;--card:#171f27;--ink:#e8edf2;--soft:#a3b0bd;--rule:#2b3641;--grid:#25303a;--accent:#56b4e9;
--area:#56b4e926;--gain:#3fc9a3;--loss:#f2924d;--buy:#56b4e9;--sell:#f2924d;--toxic:#e29cc3;--toxic-area:#cc79a73d;--warn:#2c2412;--warn-edge:#c98a00;
--shade:#1d2731;--ruin:#ff7b7b}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;
font-variant-numeric:tabular-nums}
main{max-width:1140px;margin:0 auto;padding:28px 20px 48px}
h1{font-size:30px;line-height:1.2;margin:0;letter-spacing:-.01em;overflow-wrap:anywhere}
h2{font-size:18px;margin:0 0 4px}
h3{font-size:14px;margin:18px 0 6px}
p{margin:0}
a{color:var(--accent)}
code{font:12.5px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;overflow-wrap:anywhere}
.brand{font-size:13px;color:var(--soft);margin-bottom:6px;display:flex;flex-wrap:wrap;gap:4px 14px;justify-content:space-between}
.where{color:var(--soft);margin-top:4px}
.sentence{font-size:18px;line-height:1.45;margin-top:14px;max-width:60em}
.tiles{display:grid;grid-template-columns:repeat(6,1fr);gap:12px;margin:20px 0 0}
.tile,section{background:var(--card);border:1px solid var(--rule);border-radius:10px}
.tile{padding:12px 14px;display:flex;flex-direction:column}
.tile .name{font-size:13px;color:var(--soft)}
.tile .value{font-size:22px;font-weight:650;letter-spacing:-.01em;line-height:1.25;margin:2px 0;white-space:nowrap}
.tile .value small{font-size:13px;font-weight:500;color:var(--soft);letter-spacing:0}
.tile .value.none{font-size:15px;font-weight:500;color:var(--soft);white-space:normal}
.tile .note{font-size:13px}
.tile .basis{font-size:12px;color:var(--soft);margin-top:auto;padding-top:6px}
section{padding:18px 20px 16px;margin-top:16px;break-inside:avoid}
section>p.lead,.lead{color:var(--soft);font-size:14px;margin-bottom:10px;max-width:75em}
.warnings{background:var(--warn);border-color:var(--warn-edge);padding:12px 18px}
.warnings ul{margin:4px 0 0;padding-left:18px}
.warnings li{margin:3px 0}
li[data-code=CHECK_FAILED]{color:var(--loss);font-weight:650}
.ruin,li[data-code=RUIN],li[data-code=LIQUIDATED]{color:var(--ruin);font-weight:650}
.gain{color:var(--gain)}.loss{color:var(--loss)}
figure{margin:0;position:relative}
svg{display:block;width:100%;height:auto;overflow:visible}
svg.narrow{display:none}
svg text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;font-variant-numeric:tabular-nums;fill:var(--soft)}
svg text.caption{font-weight:600;fill:var(--ink);paint-order:stroke;stroke:var(--card);stroke-width:4px;stroke-linejoin:round}
svg path{fill:none}
.grid{stroke:var(--grid)}
.base{stroke:var(--soft);stroke-dasharray:3 4}
.line{stroke:var(--accent);stroke-width:1.8;stroke-linejoin:round}
.held{stroke:var(--toxic);stroke-width:1.4;stroke-linejoin:round;stroke-dasharray:5 3}
.maker-line{stroke:var(--buy);stroke-width:1.6}.taker-line{stroke:var(--sell);stroke-width:1.6;stroke-dasharray:6 3}
svg .maker{fill:var(--buy)}svg .taker{fill:var(--sell)}
svg .won{fill:var(--gain);fill-opacity:.7}svg .lost{fill:var(--loss);fill-opacity:.55}
.scroll{overflow-x:auto}
svg .stale{fill:var(--shade);stroke:var(--rule)}
.price{stroke:var(--ink);stroke-width:1.1;stroke-linejoin:round;opacity:.75}
svg .area{fill:var(--area)}
svg .fall{fill:var(--sell);fill-opacity:.22;stroke:var(--loss)}
svg .buy{fill:var(--buy);stroke:var(--card);stroke-width:.8}
svg .sell{fill:var(--sell);stroke:var(--card);stroke-width:.8}
svg .position{fill:var(--accent);fill-opacity:.3;stroke:var(--accent)}
svg .toxic-area{fill:var(--toxic-area)}
.toxic{stroke:var(--toxic);stroke-width:1.4}
.null{stroke:var(--soft);stroke-dasharray:4 3}
svg rect.gain{fill:var(--gain)}svg rect.loss{fill:var(--loss)}
.cross{stroke:var(--soft);pointer-events:none}
.tip{position:absolute;top:0;left:0;pointer-events:none;background:var(--card);border:1px solid var(--rule);border-radius:8px;padding:6px 10px;
font-size:12.5px;
line-height:1.45;box-shadow:0 4px 14px #0003;white-space:nowrap;visibility:hidden}
.tip b{font-weight:600}
.legend{display:flex;flex-wrap:wrap;gap:4px 18px;font-size:13px;color:var(--soft);margin:0 0 8px}
.legend i{font-style:normal}
.legend .b{color:var(--buy)}.legend .s{color:var(--sell)}.legend .t{color:var(--toxic)}
.split{display:grid;grid-template-columns:1fr 1fr;gap:8px 36px}
table{border-collapse:collapse;width:100%;font-size:13.5px}
caption{text-align:left;font-weight:600;padding:0 0 4px}
th,td{text-align:left;padding:5px 10px 5px 0;border-bottom:1px solid var(--rule);vertical-align:top}
th{font-weight:600;color:var(--soft);font-size:12.5px}
td.n,th.n{text-align:right;padding-right:0;padding-left:10px;white-space:nowrap}
tr:last-child td,tr:last-child th[scope]{border-bottom:0}th[scope]{width:150px}
.flow{columns:2;column-gap:36px}.flow>div{break-inside:avoid;margin-bottom:14px}
td.wrap{overflow-wrap:anywhere}
.bars{display:grid;grid-template-columns:max-content 1fr max-content;gap:6px 12px;align-items:center;font-size:14px}
.bars .bar{height:14px;background:var(--shade);border-radius:4px;overflow:hidden}
.bars .bar i{display:block;height:100%;background:var(--accent);border-radius:4px;min-width:2px}
.bars .bar i.gain{background:var(--gain)}.bars .bar i.loss{background:var(--loss)}.bars .bar i.maker{background:var(--buy)}
.bars .bar i.taker{background:var(--sell)}
.bars b{font-weight:600;text-align:right}
.digest{font-size:12px;color:var(--soft)}
.command{background:var(--shade);border-radius:6px;padding:8px 12px;display:block;margin:8px 0;overflow-wrap:anywhere}
.ok{color:var(--gain)}.bad{color:var(--loss);font-weight:650}
footer{color:var(--soft);font-size:13px;margin-top:18px}
@media(max-width:960px){.tiles{grid-template-columns:repeat(3,1fr)}}
@media(max-width:640px){main{padding:18px 12px 32px}h1{font-size:24px}.sentence{font-size:16px}.tiles{grid-template-columns:1fr 1fr;gap:8px}
.tile{padding:10px 11px}.tile .value{font-size:18px}section{padding:14px 12px 12px;border-radius:8px}.split{grid-template-columns:1fr}.flow{columns:1}
th[scope]{width:96px}
svg.wide{display:none}svg.narrow{display:block}.less{display:none}th,td{padding-right:6px}td.n,th.n{padding-left:6px}table{font-size:13px}}
@media(max-width:640px){.markouts th[scope]{width:76px}.markouts td.n,.markouts th.n{padding-left:4px;font-size:12px}}
@media print{:root{--page:#fff;--card:#fff;--ink:#000;--soft:#444;--rule:#ccc;--grid:#e4e4e4;--accent:#00629b;--area:#00629b1f;--gain:#00735a;
--loss:#b34700;
--buy:#0072b2;--sell:#d55e00;--toxic:#8a3f73;--toxic-area:#cc79a733;--warn:#fff5e0;--warn-edge:#e69f00;--shade:#eee}
@page{size:A4;margin:12mm}body{font-size:11px;print-color-adjust:exact;-webkit-print-color-adjust:exact}main{max-width:none;padding:0}
h1{font-size:20px}
h2{font-size:14px}.lead,section>p.lead,.legend{font-size:10.5px;margin-bottom:4px}h3{font-size:11px;margin:10px 0 4px}.bars{font-size:11px}
.sentence{font-size:13px;margin-top:8px}.tiles{margin-top:12px}svg.wide{width:88%;margin:0 auto}h2,h3,.lead,.legend{break-after:avoid}
figure{break-inside:avoid}.flow{columns:1}.tiles{grid-template-columns:repeat(6,1fr);gap:6px}
.tile{padding:7px 8px}.tile .value{font-size:14px}.tile .value small{font-size:10px}
.tile .name,.tile .note,.tile .basis{font-size:10px}section{padding:10px 12px;margin-top:10px}section.long{break-inside:auto}svg.wide{display:block}
svg.narrow{display:none}.split{grid-template-columns:1fr 1fr}.less{display:table-cell}table{font-size:10.5px}th{font-size:10px}tr{break-inside:avoid}
.tip,.cross{display:none}}
"""

SCRIPT = """
document.querySelectorAll("figure[data-points]").forEach(function(figure){
var points=JSON.parse(document.getElementById(figure.dataset.points).textContent),tip=document.createElement("div");
tip.className="tip";tip.setAttribute("aria-hidden","true");figure.appendChild(tip);
figure.querySelectorAll("svg").forEach(function(svg){
var cross=svg.querySelector(".cross"),left=+svg.dataset.left,right=+svg.dataset.right,width=svg.viewBox.baseVal.width;
function hide(){tip.style.visibility="hidden";cross.setAttribute("visibility","hidden")}
function show(event){
var box=svg.getBoundingClientRect(),x=(event.clientX-box.left)*width/box.width,share=(x-left)/(right-left)*10000,low=0,high=points.x.length-1;
if(x<left-4||x>right+4||high<0)return hide();
while(low<high){var middle=(low+high+1)>>1;if(points.x[middle]<=share)low=middle;else high=middle-1}
var at=left+points.x[low]/10000*(right-left),d=cross.getAttribute("d");
cross.setAttribute("d","M"+at+" 0V"+d.slice(d.indexOf("V")+1));cross.setAttribute("visibility","visible");
tip.textContent="";
points.rows.forEach(function(row){if(!row[1][low])return;
var line=document.createElement("div"),name=document.createElement("span"),value=document.createElement("b");
name.textContent=row[0]?row[0]+" ":"";value.textContent=row[1][low];line.append(name,value);tip.appendChild(line)});
var place=at*box.width/width+14;if(place+tip.offsetWidth>box.width)place=place-28-tip.offsetWidth;
tip.style.left=Math.max(0,place)+"px";tip.style.top="24px";tip.style.visibility="visible"}
svg.addEventListener("pointermove",show);svg.addEventListener("pointerdown",show);svg.addEventListener("pointerleave",hide)})});
"""


def document(title: str, parts: Iterable[str]) -> str:
    """A whole page of these parts; empty ones are left out."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta name="viewport" '
        'content="width=device-width,initial-scale=1">\n'
        f'<meta name="color-scheme" content="light dark">\n<title>{escape(title)} · '
        f"ShrivenQuant</title>\n<style>{STYLE}</style>\n"
        + "</head>\n<body>\n<main>\n"
        + "\n".join(part for part in parts if part)
        + f"\n</main>\n<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )
