"""Class names of a YOLO data set, by number, as they are written."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from expalign.limits import LABEL_BYTES

from .plain_text import read_text
from .yolo_yaml import is_absent, is_yaml

# Where exporters put one name a line; '*' as in the shell.
NAMES_FILES = ('classes.txt', '*.names', 'labels/classes.txt', 'labels/train/classes.txt',
               'train/classes.txt', 'train/*.labels', 'train/labels/classes.txt')
SHOWN = 5


def class_names(content: dict, root: Path, source: Path,
                given: list[str] | None = None) -> dict[int, str]:
    """Names by number: those given, of the description, or of a file that exporters write.

    Args:
        content: the description's keys; ``names`` may be the path of a file (darknet).
        root: folder of the data set.
        source: what the user named, for messages.
        given: names that the user gave.

    Raises:
        ValueError: there are none, they are of another form, ``nc`` is another number, or two
            classes have one name.
    """
    names, where = given, '--names'
    if names is None:
        names, where = content.get('names'), f"'names' of '{source}'"
        if is_absent(names) or names in ([], {}):
            names, where = _of_files(root)
        elif isinstance(names, str) and _is_darknet(source):
            path = _names_path(root, names, source)
            names, where = _lines(path), f"'{path}'"
    if not names:
        raise ValueError(f"'{source}' has no class names: write them as 'names' into data.yaml, "
                         'one a line into classes.txt, or give --names')
    numbered = _numbered(names, where)
    _check_count(content.get('classes' if _is_darknet(source) else 'nc'), len(names), where, source)
    return numbered


def _numbered(names: object, where: str) -> dict[int, str]:
    if isinstance(names, dict):
        pairs = [(_number(key, where), name) for key, name in names.items()]
    elif isinstance(names, list):
        pairs = list(enumerate(names))
    else:
        raise ValueError(f'{where} must be a list of names, or names by number; it is the text '
                         f'{str(names)[:60]!r}: write [{str(names)[:60]}]')
    for number, name in pairs:
        if not isinstance(name, str):
            raise ValueError(f'{where}: the name of class {number} must be text, it is a '
                             f'{type(name).__name__}')
    numbered = {number: name.strip() for number, name in pairs if name.strip()}
    if len({number for number, _ in pairs}) < len(pairs):
        raise ValueError(f'{where}: a class number is there twice')
    for repeated in (name for name, count in Counter(numbered.values()).items() if count > 1):
        numbers = [number for number, name in numbered.items() if name == repeated]
        raise ValueError(f'{where} has the class name {repeated!r} for more than one number '
                         f'({", ".join(map(str, numbers[:SHOWN]))}): names are the prompts and '
                         'must differ')
    if not numbered:
        raise ValueError(f'{where}: all names are empty')
    return numbered


def _number(key: object, where: str) -> int:
    if isinstance(key, str) and key.isascii() and key.isdigit():
        return int(key[:19])
    raise ValueError(f'{where}: {str(key)[:60]!r} is no class number: write names as a list, or as '
                     "'0: name'")


def _check_count(stated: object, found: int, where: str, source: Path) -> None:
    if is_absent(stated):
        return
    if not (isinstance(stated, str) and stated.isdigit() and int(stated[:19]) == found):
        said = repr(stated[:60]) if isinstance(stated, str) else f'a {type(stated).__name__}'
        raise ValueError(f"'{source}' says that there are {said} classes, {where} has {found} "
                         'names: correct one of them')


def _is_darknet(source: Path) -> bool:
    return source.is_file() and not is_yaml(source)


def _of_files(root: Path) -> tuple[list[str], str]:
    """The names of the files that there are, which must agree."""
    files = [path for pattern in NAMES_FILES for path in sorted(root.glob(pattern))
             if not path.name.startswith('.')]
    for other in files[1:]:
        if _lines(other) != _lines(files[0]):
            raise ValueError(f"'{files[0]}' and '{other}' have different class names: remove one, "
                             'or give --names')
    return (_lines(files[0]), f"'{files[0]}'") if files else ([], '')


def _lines(path: Path) -> list[str]:
    """One name a line; empty lines at the end do not count, others are numbers without a name."""
    return read_text(path, LABEL_BYTES).rstrip().splitlines()


def _names_path(root: Path, name: str, source: Path) -> Path:
    for path in (root / name, root / Path(name).name):
        if path.is_file():
            return path
    raise FileNotFoundError(f"'{root / name}', the names of '{source}', does not exist")


def describe_numbers(numbers: Iterable[int]) -> str:
    """``'0 to 79'``, or a list where some between are missing."""
    numbers = sorted(numbers)
    if numbers[-1] - numbers[0] == len(numbers) - 1:
        return f'{numbers[0]} to {numbers[-1]}'
    return ', '.join(map(str, numbers[:SHOWN])) + (', ...' if len(numbers) > SHOWN else '')
