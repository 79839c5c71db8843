"""Letters of labels in pictures: for every character the first font here that has it.

DejaVu Sans comes with matplotlib and has no Chinese, Japanese and Korean; a font that has them is
looked for in the package ``noto-cjk-sans-jp-regular`` and where systems keep fonts.
"""

import os
import sys
import unicodedata
import warnings
from collections.abc import Iterator
from functools import lru_cache
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path

from PIL import ImageDraw, ImageFont

# Packages with a font, and the file in them.
_PACKAGED = (
    ('matplotlib', 'mpl-data/fonts/ttf/DejaVuSans.ttf'),
    ('noto_cjk_sans_jp_regular', 'NotoSansCJKjp-Regular.otf'),
    ('cvttf_NotoSansCJK_Regular', 'NotoSansCJKtc-Regular.otf'))
# Beginnings of the names of font files in a system's folders, the wanted ones first.
_SYSTEM = (
    'DejaVuSans.', 'NotoSansCJK-Regular', 'NotoSansCJK', 'NotoSansSC', 'NotoSansJP',
    'SourceHanSans', 'wqy-microhei', 'wqy-zenhei', 'DroidSansFallback', 'NanumGothic.',
    'msyh', 'YuGoth', 'malgun.',
    'Hiragino', 'PingFang', 'AppleSDGothicNeo', 'Arial Unicode', 'NotoEmoji', 'Symbola', 'seguiemj',
    'NotoSansThai-Regular', 'NotoSansDevanagari-Regular', 'unifont')
_NOT_A_CHARACTER = '\U0010ffff'
_UNSEEN = {'Cf', 'Mn', 'Cc'}  # joiners, marks, variation selectors
_EMOJI = range(0x1F000, 0x1FB00)


class LabelFont:
    """Draws and measures text of one size in pixels."""

    def __init__(self, size: int) -> None:
        self.size = size

    def length(self, text: str) -> float:
        """Width of a text in pixels."""
        return sum(font.getlength(part) for font, part in self._runs(text))

    def draw(self, pen: ImageDraw.ImageDraw, place: tuple[float, float], text: str, fill: str
             ) -> None:
        """Draw a text whose left end has its middle height at ``place`` (x, y)."""
        x, y = place
        for font, part in self._runs(text):
            pen.text((x, y), part, font=font, anchor='lm', fill=fill)
            x += font.getlength(part)

    def _runs(self, text: str) -> Iterator[tuple[ImageFont.FreeTypeFont, str]]:
        """Parts of a text with the font of each."""
        text = ''.join(map(self._drawable, unicodedata.normalize('NFC', text)))
        for number, letters in groupby(text, key=lambda letter: _font_of(letter, self.size) or 0):
            yield _fonts(self.size)[number], ''.join(letters)

    def _drawable(self, letter: str) -> str:
        """A letter, or what stands for it where no font has it."""
        if _font_of(letter, self.size) is not None:
            return letter
        if unicodedata.category(letter) in _UNSEEN:
            return ''
        _say_once()
        if ord(letter) in _EMOJI:
            return f':{unicodedata.name(letter, "emoji").lower()}:'
        return f'\\u{ord(letter):04x}'


@lru_cache(maxsize=1)
def _say_once() -> None:
    warnings.warn(
        'no font here has all letters of the labels: names of emoji and codes are drawn instead. '
        'For Chinese, Japanese and Korean: pip install noto-cjk-sans-jp-regular', stacklevel=8)


@lru_cache(maxsize=4096)
def _font_of(letter: str, size: int) -> int | None:
    """Number of the first font that has a letter; None where there is none."""
    if letter.isspace():
        return 0
    for number, font in enumerate(_fonts(size)):
        if _shape(font, letter) != _shape(font, _NOT_A_CHARACTER):
            return number
    return None


def _shape(font: ImageFont.FreeTypeFont, letter: str) -> tuple:
    mask = font.getmask(letter)
    return mask.size, bytes(mask)


@lru_cache(maxsize=16)
def _fonts(size: int) -> list[ImageFont.FreeTypeFont]:
    fonts = []
    for path in _font_files():
        try:
            fonts.append(ImageFont.truetype(str(path), size))
        except OSError:  # damaged, or pictures of one size, as colour emoji are
            continue
    return fonts or [ImageFont.load_default(size)]


@lru_cache(maxsize=1)
def _font_files() -> list[Path]:
    files = []
    for package, name in _PACKAGED:
        spec = find_spec(package)
        if spec is not None and spec.origin:
            files.append(Path(spec.origin).parent / name)
    found: dict[str, Path] = {}
    for folder in _font_folders():
        for path in sorted(folder.rglob('*.[ot]t[fc]')):
            found.setdefault(path.name, path)
    for beginning in _SYSTEM:
        files += [path for name, path in found.items() if name.startswith(beginning)]
    return [path for path in dict.fromkeys(files) if path.is_file()]


def _font_folders() -> list[Path]:
    home = Path.home()
    if sys.platform == 'win32':
        folders = [Path(os.environ.get('WINDIR', 'C:/Windows'), 'Fonts'),
                   home / 'AppData/Local/Microsoft/Windows/Fonts']
    elif sys.platform == 'darwin':
        folders = [Path('/System/Library/Fonts'), Path('/Library/Fonts'), home / 'Library/Fonts']
    else:
        folders = [Path('/usr/share/fonts'), Path('/usr/local/share/fonts'),
                   home / '.local/share/fonts', home / '.fonts']
    return [folder for folder in folders if folder.is_dir()]
