"""Examples on a command line: ``mug=photo.jpg:40,60,210,300``, or a file of prompts."""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from expalign.structures.prompts import parse_prompts
from expalign.utils import check_outputs
from expalign.utils.file_kinds import is_address

from .texts import TOKENS

if TYPE_CHECKING:
    from .inferencer import ExpAlignInferencer

ExampleBoxes = dict[str, list[tuple[str, tuple[float, float, float, float]]]]
FORM = 'NAME=PHOTO:X1,Y1,X2,Y2 in pixels, as in mug=photo.jpg:40,60,210,300'
NUMBER = r'\s*(-?\d+(?:\.\d*)?)\s*'
EXAMPLE = re.compile(rf'(?P<name>[^=]*)=(?P<photo>.+):{NUMBER},{NUMBER},{NUMBER},{NUMBER}')


def add_example_arguments(parser: argparse.ArgumentParser) -> None:
    """Examples beside words, or in their place."""
    parser.add_argument(
        '--examples', nargs='+', action='extend', metavar='EXAMPLE', help='things that boxes in '
        f'photographs show: {FORM}; several of one name count together; or a file that '
        '--save-prompts wrote')
    parser.add_argument(
        '--examples-and-words', action='store_true', help='the names of --examples mean something '
        'as words, too: examples correct what these find')
    parser.add_argument(
        '--save-prompts', metavar='FILE.safetensors', help='keep what the examples give: a file '
        'of prompts, which may stand wherever words do')


def check_examples(args: argparse.Namespace) -> None:
    """Read what was given, before any work; ``args.read`` gets the files that are read.

    Raises:
        OSError, ValueError: an example cannot be used, or ``--save-prompts`` has nothing to write.
    """
    args.examples, files = sort_examples(args.examples or ())
    photographs = [photo for pairs in args.examples.values() for photo, _ in pairs]
    args.read += [*files, *photographs]
    args.prompt_sets = []
    if files:
        from expalign.checkpoints.prompt_file import load_prompts
        args.prompt_sets = [load_prompts(file) for file in files]
    if args.save_prompts is not None:
        if not args.examples:
            raise ValueError('--save-prompts keeps what boxes of --examples give, and there is '
                             'none')
        if not args.save_prompts.lower().endswith(TOKENS):
            raise ValueError(f'--save-prompts {args.save_prompts}: the name must end in {TOKENS}')
        check_outputs([args.save_prompts], args.read)


def prompts_with_examples(
    inferencer: 'ExpAlignInferencer', args: argparse.Namespace
) -> list[str] | None:
    """The prompts of the words and of the examples; None where there are neither.

    Raises:
        OSError, ValueError: an example cannot be used.
    """
    sets = list(args.prompt_sets)
    if args.examples:
        from expalign.checkpoints.prompt_file import save_prompts

        from .examples import prompts_of_examples
        made = prompts_of_examples(inferencer, args.examples, args.examples_and_words)
        sets.append(made)
        if args.save_prompts is not None:
            save_prompts(made, args.save_prompts)
    return parse_prompts([*(args.texts or ()), *sets]) if sets else args.texts


def sort_examples(texts: Sequence[str]) -> tuple[ExampleBoxes, list[Path]]:
    """Tell boxes in photographs and files of prompts apart.

    Args:
        texts: each ``NAME=PHOTO:X1,Y1,X2,Y2``, a box in pixels of the photograph, or the name of a
            file that :func:`~expalign.checkpoints.prompt_file.save_prompts` wrote. A name may
            have several boxes.

    Returns:
        Photographs with boxes by name, and files.

    Raises:
        ValueError: a text is neither.
        FileNotFoundError: its file does not exist.
    """
    boxes: ExampleBoxes = {}
    files = []
    for text in texts:
        match = EXAMPLE.fullmatch(text)
        if match is not None:
            name, photo = match['name'].strip(), match['photo']
            if not name:
                raise ValueError(f'the example {text} has no name: write {FORM}')
            x1, y1, x2, y2 = map(float, match.groups()[2:])
            if not is_address(photo) and not Path(photo).expanduser().is_file():
                raise FileNotFoundError(f'the photograph {photo} of the example {text} does not '
                                        'exist')
            boxes.setdefault(name, []).append((photo, (x1, y1, x2, y2)))
        elif text.lower().endswith(TOKENS):
            if not Path(text).expanduser().is_file():
                raise FileNotFoundError(f'the file of prompts {text} does not exist')
            files.append(Path(text).expanduser())
        else:
            raise ValueError(f'the example {text} is neither a file of prompts nor {FORM}')
    return boxes, files
