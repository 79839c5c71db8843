"""The blocks of code in the documents."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / 'README.md', *sorted((ROOT / 'docs').glob('*.md')),
    *(ROOT / name for name in ('CONTRIBUTING.md', 'configs/README.md', 'tools/README.md',
                               'projects/expalign/weights/README.md'))]
BLOCK = re.compile(r'^( *)```(\w*)\n(.*?)^\1```', re.MULTILINE | re.DOTALL)
SHELL = ('bash', 'sh', 'shell', 'console')
COMMAND = re.compile(r'^\s*(python|pip|make|tools/|pytest|export) ?', re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A block of code: page (from the root), language (``'bash'`` or ``'python'``) and text."""

    page: str
    language: str
    text: str

    @property
    def key(self) -> str:
        """Page and first line that is more than an import or a variable: the name in lists."""
        lines = [line.strip() for line in self.text.splitlines() if line.strip()]
        first = next(
            (line for line in lines if not re.match(r'(import|from|export) |#', line)), lines[0])
        return f'{self.page}: {first[:60].rstrip()}'


def find_blocks(page: Path) -> list[Block]:
    """The blocks of a page that are commands or Python."""
    found, name = [], page.relative_to(ROOT).as_posix()
    for indent, language, text in BLOCK.findall(page.read_text()):
        text = ''.join(line.removeprefix(indent) for line in text.splitlines(keepends=True))
        if language == 'python':
            found.append(Block(name, 'python', text))
        elif language in SHELL or not language and COMMAND.search(text):
            found.append(Block(name, 'bash', text))
    return found


def all_blocks() -> list[Block]:
    """The blocks of all pages, in their order."""
    return [block for page in PAGES for block in find_blocks(page)]
