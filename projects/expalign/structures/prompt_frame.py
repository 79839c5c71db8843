"""Sentences and articles around a name that say nothing of it."""

import re

_PHOTO = r'(?:photo|photograph|picture|image)'
_ARTICLE = r'(?:an?|the|some|any|this|that|these|those)\s+'
# What stands around a name and says nothing of it; each with the name as its group.
_FRAMES = tuple(re.compile(pattern, re.IGNORECASE | re.DOTALL) for pattern in (
    rf'(?:{_ARTICLE})?{_PHOTO}\s+of\s+(.*\S)', r'there\s+(?:is|are)\s+(.*\S)',
    rf'(.*\S)\s+in\s+(?:the|this)\s+(?:{_PHOTO}|scene)'))
_WITH_ARTICLE = re.compile(rf'{_ARTICLE}(?=\S)', re.IGNORECASE)


def without_frame(text: str) -> str:
    """A prompt without the sentence around it and the article in front of it.

    What is within a phrase stays: 'there is a cat on a mat' is 'cat on a mat'.
    """
    while found := next(filter(None, (frame.fullmatch(text) for frame in _FRAMES)), None):
        text = found[1]
    return _WITH_ARTICLE.sub('', text, count=1) if _WITH_ARTICLE.match(text) else text
