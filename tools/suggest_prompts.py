"""Find the words that a model understands best for the classes of a data set.

``suggest_prompts.py DATA`` tries other wordings of every class (the plural, an article, words for
the same thing and for its kind, names that the model takes for close, the colour) on a few labelled
images, and writes the best ones as a ``class_text_path`` file.
"""

import argparse
import json
import math
from pathlib import Path

from expalign.utils import check_outputs, finished_file, run_command, without_lines
from expalign.utils.command_parser import CommandParser


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(description=__doc__, example='my_photos --images 24 --out prompts.json')
    parser.add_argument('data', help='a folder, file or archive of labelled images in any format '
                        'that expalign train takes')
    parser.add_argument('--model', default='expalign-s-boxes',
                        help='name, config or checkpoint; masks only cost time here '
                             '(default expalign-s-boxes)')
    parser.add_argument('--weights', help='checkpoint, where the model is a config')
    parser.add_argument('--images', type=int, default=24, metavar='N',
                        help='labelled images to try on, and others to check with (default 24)')
    parser.add_argument('--words', metavar='FILE',
                        help='your own wordings: JSON, {"class": ["wording", ...], ...}')
    parser.add_argument('--seed', type=int, default=0, help='of the choice of images')
    parser.add_argument('--device', help="'cpu', 'cuda:0', ...; default: what is there")
    parser.add_argument('--out', default='prompts.json', help='file to write (prompts.json)')
    parser.add_argument('--work-dir', default='work_dirs/own_data',
                        help='folder for data that have to be converted')
    args = parser.parse_args()
    if not 1 <= args.images <= 200:
        parser.error(f'--images must be 1 to 200, got {args.images}')
    return args


def main() -> None:
    """Try, print, write."""
    args = parse_args()
    check_outputs([args.out], [args.data, *filter(None, (args.words, args.weights, args.model))])
    from expalign.apis import ExpAlignInferencer
    from expalign.apis.suggest import suggest
    from expalign.data_tools.own_data import recognise
    own = read_words(args.words) if args.words else None
    data = recognise(args.data, args.work_dir)
    check_outputs([args.out], [file for file, _ in data.splits.values()])
    print(data.said)
    with without_lines('Loads checkpoint by '):
        inferencer = ExpAlignInferencer(args.model, args.weights, device=args.device,
                                        show_progress=False)
    found = suggest(data, inferencer, own, args.images, args.seed)
    print(f'{found.images} images (seed {args.seed}), {found.rounds} lists of prompts; the image '
          'encoder ran once an image, the rest for each list')
    for entry in found.classes:
        print(f'\n{entry.name}, {entry.boxes} boxes\n     AP     F1  above')
        for tried in entry.tried:
            mark = '  <- written' if tried.text == entry.best else ''
            above = '    –' if math.isnan(tried.threshold) else f'{tried.threshold:.3f}'
            print(f'  {tried.ap:.3f}  {tried.f1:.3f}  {above}  {tried.text}{mark}')
    print_check(found)
    print_unfound(found)
    with finished_file(args.out) as path:
        Path(path).write_text(json.dumps(found.class_texts(), ensure_ascii=False, indent=1) + '\n',
                              encoding='utf-8')
    print(f'{args.out}: {", ".join(entry.best for entry in found.classes)}')


def print_check(found) -> None:
    """What the other images say of the choice."""
    if found.check is not None:
        print(f'\nmean AP on {found.check_images} other images: names {found.check[0]:.3f}, best '
              f'wordings {found.check[1]:.3f}')
    if found.kept_names:
        print('together the wordings are no better than the names, which are kept')


def print_unfound(found, least: float = 0.1) -> None:
    """The classes that no wording helps."""
    names = [entry.name for entry in found.classes if not entry.tried[0].ap >= least]
    if names:
        print(f'no wording finds {", ".join(names)} (AP below {least:g}): train on the data '
              'instead')


def read_words(path: str) -> dict[str, list[str]]:
    """The user's wordings by class.

    Raises:
        ValueError: the file is not in that form.
    """
    from expalign.datasets.formats.text_file import read_json
    content = read_json(path)
    if not isinstance(content, dict) or not all(
            isinstance(texts, list) and all(isinstance(t, str) and t.strip() for t in texts)
            for texts in content.values()):
        raise ValueError(f"'{path}' must be JSON of the form {{\"class\": [\"wording\", ...]}}")
    return content


if __name__ == '__main__':
    run_command(main)
