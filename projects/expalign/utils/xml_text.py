"""What a text of XML cannot hold."""

import re

# Everything but the characters of XML 1.0, 2.2.
FORBIDDEN = re.compile('[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]')


def xml_fault(text: str) -> str | None:
    """The first character of a text that XML cannot hold, in words; None where there is none."""
    found = FORBIDDEN.search(text)
    return None if found is None else f'the character U+{ord(found[0]):04X}'
