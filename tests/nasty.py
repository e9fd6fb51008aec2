"""Thirty-odd nasty texts: markup, formulas, controls, overrides, towers of marks, endless words."""

from __future__ import annotations

HACK = "window.hacked=1"
NASTY = {
    "script": f"<script>{HACK}</script>",
    "closing tags": f"</script></style></title></bdi></td></table><script>{HACK}</script>",
    "handler": f"<img src=x onerror={HACK}>",
    "svg": f"<svg/onload={HACK}><foreignObject><iframe srcdoc='<script>{HACK}</script>'>",
    "attribute": f'" onmouseover="{HACK}" autofocus onfocus="{HACK}" x="',
    "single quote": f"' onclick='{HACK}' x='",
    "javascript url": f"<a href=\"javascript:{HACK}\" style='position:fixed;inset:0'>x</a>",
    "meta": "<meta http-equiv=refresh content='0;url=data:text/html,x'><base href=//x.invalid/>",
    "css": "</style><style>*{display:none!important}body{background:url(//x.invalid/a)}</style>",
    "css value": "red;--l:url(//x.invalid/b);position:fixed;inset:0",
    "template": "{{ 7*7 }}{% for x in (1,2) %}{{ x }}{% endfor %}{# gone #}${7*7}%{x}%{customdata}",
    "comment": "<!-- --!> --> <![CDATA[ ]]> <?php echo 1 ?>",
    "entities": "&lt;script&gt;&#x3c;b&#62; &amp;lt; &nbsp;&notanentity; &#0; &#x202e;",
    "json": '"}];window.hacked=1;//\\u003c/script\\u003e',
    "plotly": "<b>bold</b><br><sup>up</sup><a href='https://x.invalid'>link</a> $\\LaTeX$ @blue",
    "override": "price \u202egnp.exe\u202d and \u202anested\u202b",
    "isolates": "\u2067open \u2068more \u2066and more",
    "marks of direction": "a\u200fb\u200ec \u061cאב",
    "null": "a\x00b",
    "controls": "\x01\x02\x07\x08\x0b\x0c\x0e\x1b[31mred\x1b]0;title\x07\x7f\x80\x9b\x9f",
    "carriage": "one\r\ntwo\rthree\nfour\tfive",
    "separators": "one\u2028two\u2029three\u0085four",
    "long word": "w" * 10_000,
    "long spaceless script": "ଓ" * 3_000 + "ไทย" * 1_000,
    "zalgo": "z" + "\u0310\u0334\u0489\u035c" * 2_500,
    "emoji": "👩‍👩‍👧‍👦🏴󠁧󠁢󠁥󠁮󠁧󠁿🇮🇳🇮1️⃣👍🏿\ufe0f\ufe0e\u200d",
    "byte order": "\ufeffstart\ufffe\uffff",
    "quotes": "\"'`´‘’“”„«»\\\\\\' \\\" \\n \\u0000 \\",
    "formula": "=HYPERLINK(\"http://x.invalid\",\"x\")",
    "formula plus": "+1+cmd|' /C calc'!A0",
    "formula at": "@SUM(1+1)*cmd|' /C calc'!A0",
    "formula minus": "-2+3",
    "comma": 'a,"b"\n,c;d\te|f',
    "wide": "﷽𒐫𒈙⸻" * 20,
    "invisible": "a\u200b\u00ad\u2060\u180e\u3164\u115f b\u00a0c",
    "annotations": "\ufff9base\ufffaruby\ufffb",
    "path": "../../../etc/passwd;rm -rf /;%00%2e%2e%2f",
    "prototype": "__proto__",
    "blank": "   ",
}  # fmt: skip
SURROGATES = "a\ud800b\udfff\udc00\ud800c"
"""Halves of pairs: no TOML, parquet or file of UTF-8 holds them, but JSON's escapes do."""
