"""Where one prompt of a string ends and the next begins."""

import ast
import re
import warnings

# Behind these a full stop ends no sentence, unless an article follows: 'Main St. a dog' are two.
_TITLES = 'St|Mt|Ft|Mr|Mrs|Ms|Mx|Dr|Prof|Jr|Sr|vs|ca|approx|incl|Inc|Ltd|Corp|Co|Bros|dept'
# Only before a name, as they are words, too.
_RANKS = ('Gen|Col|Capt|Lt|Sgt|Maj|Cpl|Gov|Sen|Rep|Rev|Hon|Pres|Fr|Ave|Blvd|Rd|Sra|Mme|Mlle|'
          'Hr|Ph\\.D|B\\.Sc|M\\.Sc')
_NUMBERED = ('No|Nos|Nr|Fig|Figs|Vol|pp?|pg|ch|sec|art|ver|ed|apt|rm|bldg|rte|hwy|'
             'Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec')
_UNITS = 'in|ft|yd|mi|sq|cu|oz|lbs?|fl|gal|qt|pt|doz|pcs?|hrs?|min'
_NO_ARTICLE = r'(?!\s+(?:[Aa]n?|the|one|two|three|some)\b)'  # with a phrase behind it
_FIRST = r'(?:\A|(?<=[.;,\n]\s)|(?<=\b[Aa]\s)|(?<=\b[Tt]he\s))'  # word of a prompt
# The first alternative that fits at a place counts, so what protects a sign comes before the signs.
_TOKENS = re.compile(
    rf"""
    (?P<quoted> (?<!\w)"[^"\n]*"(?!\w) | (?<!\w)'[^'\n]*'(?!\w) | “[^“”\n]*”
        | „[^„“”\n]*[“”] | «[^«»\n]*» | 「[^「」\n]*」 )
    | (?P<kept>
        (?<=\d)[.,．](?=\d)                       # 2.5 mm, 1,000 pieces
        | (?<![\w.])(?i:e\.\s?g|i\.\s?e|a\.k\.a|z\.\s?B)\.,?  # before an article, too
        | (?<=\w)\s?\([^()\n]*\)                    # a bow (ribbons, red)
        | (?<![\w.])(?:[^\W\d_]\.){{2,}}{_NO_ARTICLE}     # U.S. flag
        | (?<![\w.])[A-Z]\.(?=\s+[A-Z]){_NO_ARTICLE}  # J. Smith
        | {_FIRST}[A-Z]\.(?=\s+[a-z]){_NO_ARTICLE}  # T. rex
        | (?<![\w.])(?i:{_TITLES})\.(?=\s+\S){_NO_ARTICLE}
        | (?<![\w.])(?:{_RANKS})\.(?=\s+[^\W\d_]){_NO_ARTICLE}
        | (?<![\w.])(?i:{_NUMBERED})\.(?=\s*\d)
        | (?<=\d)[ -]?(?:{_UNITS})\.(?=\s+[^\W\d_]){_NO_ARTICLE}
    )
    | (?P<cut> [\r\n\v\f\x85\u2028\u2029;,；，、。．､｡،؛۔।] | \.+(?=\s|$|[;,])
        | (?:\A|(?<=\s))\.(?!\d|(?i:com|net|org|io|ai)\b) )
    """, re.VERBOSE)
# In a string that is one prompt these may have been meant to separate several.
_DOUBTFUL = re.compile(r'[^\W\d_]{2}\.[^\W\d_]|[|/\t]')


def split_prompts(text: str) -> list[str]:
    """The prompts that a string lists, without outer white space; empty parts do not count.

    Line ends, ';' and ',' (those of other scripts, too) separate, and so does a '.' that ends a
    sentence: before white space or at the end. No sign does so within quotes, numbers ('2.5 mm
    screw') and abbreviations ('U.S. flag', 'e.g. a horse', 'St. Bernard'). Quotes around a whole
    prompt are taken off. A list as Python and JSON write it, '["cat", "dog"]', is that list.

    Where a string with a sign that could separate is one prompt, a warning says how it was read.
    """
    if (listed := _written_list(text)) is not None:
        return listed
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


def warn_of_unsplit(prompt: str, way: str) -> None:
    """Say that one prompt looks like several, and in which way they are given.

    For where a text is one prompt by rule: an entry of a list, or mmdet's functions without
    ``custom_entities=True``.
    """
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        parts = split_prompts(prompt)
    if len(parts) > 1:
        warnings.warn(f'{prompt!r} is searched for as one prompt; for {len(parts)} prompts {way}',
                      stacklevel=4)


def _written_list(text: str) -> list[str] | None:
    """The strings of a list that was written out, or None."""
    text = text.strip()
    if text[:1] + text[-1:] not in ('[]', '()'):
        return None
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    listed = isinstance(found, list | tuple) and all(isinstance(entry, str) for entry in found)
    return list(found) if listed else None


def _without_quotes(part: str, quoted: str | None) -> str:
    return part[1:-1].strip() if part == quoted else part
