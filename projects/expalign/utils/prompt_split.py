"""Where one prompt of a string ends and the next begins."""

import re
import warnings

# The first alternative that fits at a place counts, so what protects a sign comes before the signs.
_TOKENS = re.compile(
    r"""
    (?P<quoted> (?<!\w)"[^"\n]*"(?!\w) | (?<!\w)'[^'\n]*'(?!\w) | “[^“”\n]*”
        | „[^„“”\n]*[“”] | «[^«»\n]*» | 「[^「」\n]*」 )
    | (?P<kept>
        (?<=\d)[.,](?=\d)                          # 2.5 mm, 1,000 pieces
        | (?<![\w.])(?:[^\W\d_]\.){2,}             # U.S., e.g.
        | (?<![\w.])[A-Z]\.(?=\s+[A-Z])            # J. Smith
        | (?<![\w.])(?i:St|Mt|Ft|Mr|Mrs|Ms|Dr|Prof|Jr|Sr|vs|ca|approx|Inc|Ltd|Co|Bros)\.(?=\s+\S)
        | (?<![\w.])(?i:No|Nr|Fig|Vol|pp?|ch)\.(?=\s*\d)
    )
    | (?P<cut> [\r\n\x85\u2028\u2029;,；，、。､｡،؛] | \.+(?=\s|$|[;,]) | (?:\A|(?<=\s))\.(?!\d) )
    """, re.VERBOSE)
# In a string that is one prompt these may have been meant to separate several.
_DOUBTFUL = re.compile(r'[^\W\d_]{2}\.[^\W\d_]|[|/\t]')


def split_prompts(text: str) -> list[str]:
    """The prompts that a string lists, without outer white space; empty parts do not count.

    Line ends, ';' and ',' (those of other scripts, too) separate, and so does a '.' that ends a
    sentence: before white space or at the end. No sign does so within quotes, numbers ('2.5 mm
    screw') and abbreviations ('U.S. flag', 'e.g. a horse', 'St. Bernard'). Quotes around a whole
    prompt are taken off.

    Where a string with a sign that could separate is one prompt, a warning says how it was read.
    """
    parts, start, quoted, quotes = [], 0, None, 0
    for match in _TOKENS.finditer(text):
        if match.lastgroup == 'quoted':
            quoted, quotes = match[0], quotes + 1
        elif match.lastgroup == 'cut':
            parts.append(_without_quotes(text[start:match.start()].strip(), quoted))
            start, quoted = match.end(), None
    parts.append(_without_quotes(text[start:].strip(), quoted))
    prompts = [part for part in parts if part]
    if len(prompts) == 1 and not quotes and (len(parts) > 1 or _DOUBTFUL.search(prompts[0])):
        warnings.warn(
            f"{text!r} was read as one prompt, {prompts[0]!r}: ', ', '. ', ';' and line ends "
            'separate prompts', stacklevel=4)
    return prompts


def _without_quotes(part: str, quoted: str | None) -> str:
    return part[1:-1].strip() if part == quoted else part
