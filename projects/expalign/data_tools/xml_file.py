"""XML files of strangers, one child of the root after the other.

defusedxml reads them: it refuses declarations of entities, with which a file of a few lines fills
all memory or names other files. A depth that no annotation has is refused here.
"""

import codecs
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

from defusedxml.common import EntitiesForbidden
from defusedxml.ElementTree import XMLParser

from expalign.limits import ANNOTATION_BYTES, XML_DEPTH
from expalign.utils.file_kinds import describe_file, special_kind
from expalign.utils.shown import shown

from .labelled import BadLabel

CHUNK = 2**16
# What expat does not know of the encodings in which label tools have written, and codecs do.
OTHER_ENCODINGS = re.compile(
    rb'^<\?xml[^>]{0,99}encoding=["\'](gbk|gb2312|gb18030|big5|shift_jis|sjis|euc-jp|euc-kr|cp949)'
    rb'["\']', re.IGNORECASE)
HEAD = 2**16  # bytes in which a root begins


class Child(NamedTuple):
    """An element right below the root, and the line where it begins."""

    element: Element
    line: int


def root_of(path: Path) -> str | None:
    """The name of the root; None where the file is no XML, or none that is read here."""
    try:
        with open(path, 'rb') as file:
            decode, encoding = _decoder(path)
            # Entities are refused when the file is read; here nothing behind the root's name is.
            parser = XMLParser(target=_Root(), encoding=encoding, forbid_entities=False)
            parser.feed(decode(file.read(HEAD)))
    except _RootFound as found:
        return found.name
    except (ParseError, OSError, ValueError, LookupError):
        pass
    return None


def children(path: Path, root: str) -> Iterator[Child]:
    """The elements right below the root, each complete; what was given is not kept.

    Args:
        path: the file.
        root: the name that the root must have.

    Raises:
        BadLabel: the file is not XML, has another root, declares entities, or is cut short; what
            came before was given.
        LimitExceeded: it is larger or deeper than the limits allow.
    """
    kind = special_kind(path)
    if kind is not None:
        raise BadLabel(f'it is {kind}')
    ANNOTATION_BYTES.check(path.stat().st_size, f"'{path}'")
    decode, encoding = _decoder(path)
    builder = _Children(path, root)
    parser = builder.parser = XMLParser(target=builder, encoding=encoding)
    with open(path, 'rb') as file:
        while True:
            content = file.read(CHUNK)
            try:
                parser.feed(decode(content, not content))
                if not content:
                    parser.close()
            except EntitiesForbidden as error:
                raise BadLabel(
                    f'it declares the entity {shown(error.name)}, which no annotation needs and '
                    'which can fill all memory: remove the declaration') from None
            except (ParseError, LookupError, UnicodeError) as error:
                what = describe_file(path)
                raise BadLabel(f'not XML ({error})' + (
                    '' if what == 'an XML file' else f': it is {what}')) from None
            yield from builder.finished
            builder.finished.clear()
            if not content:
                return


class _RootFound(Exception):
    """The root has begun, and the rest of the file does not matter."""

    def __init__(self, name: str) -> None:
        self.name = name


class _Root:
    """Stops a parser at the root."""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        raise _RootFound(_plain(name))


class _Children:
    """Collects the children of the root as the parser reports them."""

    def __init__(self, path: Path, root: str) -> None:
        self.path, self.root = path, root
        self.parser: XMLParser | None = None
        self.finished: list[Child] = []
        self._depth = self._line = 0
        self._tree: TreeBuilder | None = None

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        name, line = _plain(name), self.parser.parser.CurrentLineNumber
        if not self._depth and name != self.root:
            raise BadLabel(f'line {line}: the root is <{shown(name)[1:-1]}>, not <{self.root}>')
        self._depth += 1
        XML_DEPTH.check(self._depth, f"'{self.path}', line {line}")
        if self._depth == 2:
            self._tree, self._line = TreeBuilder(), line
        if self._tree is not None:
            self._tree.start(name, attributes)

    def data(self, text: str) -> None:
        """Text between elements."""
        if self._tree is not None:
            self._tree.data(text)

    def end(self, name: str) -> None:
        """An element ends."""
        if self._tree is not None:
            self._tree.end(_plain(name))
        if self._depth == 2:
            self.finished.append(Child(self._tree.close(), self._line))
            self._tree = None
        self._depth -= 1


def _decoder(path: Path) -> tuple[Callable[..., bytes], str | None]:
    """What makes a file's bytes those that expat reads, and the encoding that they are in then.

    None stands for what the file says itself.
    """
    with open(path, 'rb') as file:
        match = OTHER_ENCODINGS.match(file.read(200))
    if match is None:
        return lambda content, final=False: content, None
    decoder = codecs.getincrementaldecoder(match[1].decode())()
    return lambda content, final=False: decoder.decode(content, final).encode(), 'utf-8'


def _plain(name: str) -> str:
    """The name without its namespace."""
    return name.rpartition('}')[2]


def child_text(element: Element, tag: str) -> str:
    """The text of the first child of that name without outer white space; '' if there is none."""
    return (element.findtext(tag) or '').strip()


