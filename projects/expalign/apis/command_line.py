"""What the command lines that search share: the model, its prompts and the device.

Nothing here is slow to import: mistakes are told before torch is loaded.
"""

import argparse
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from expalign.checkpoints.trust import add_trust_argument
from expalign.structures.thresholds import SCORE_THR, threshold_argument
from expalign.utils import without_lines
from expalign.utils.command_parser import CommandParser, DictAction, share, whole_number
from expalign.utils.file_kinds import is_address
from expalign.utils.model_table import find
from expalign.utils.quick_start import uncollected

from .example_arguments import check_examples
from .texts import SUFFIXES as WORD_SUFFIXES
from .texts import TOKENS, understood_prompts

if TYPE_CHECKING:
    from .inferencer import ExpAlignInferencer

PROMPT_SUFFIXES = (*WORD_SUFFIXES, TOKENS)
MODEL_SUFFIXES = ('.py', '.pth', '.pt', '.safetensors')
DEVICE = re.compile(r'(cpu|cuda|mps|xpu|npu|mlu|musa|meta)(:\d+)?')
LIST = '-'  # a list on the standard input
NOT_FETCHED = 3  # exit status where the default model's image side cannot be had


def add_model_arguments(parser: argparse.ArgumentParser, positional: bool = True) -> None:
    """The model and what goes with it, under mmdet's names."""
    parser.add_argument(
        *(['model'] if positional else ['--model']), **(dict(nargs='?') if positional else {}),
        help='name of a model, config, a checkpoint that has its config in it, or a folder that '
        'save_pretrained wrote; without it the default detector, expalign-s')
    parser.add_argument('--weights', help='checkpoint, .pth or .safetensors')
    parser.add_argument('--device', default=None, help="'cpu', 'cuda:0', ...; default: what is "
                        'there')
    parser.add_argument(
        '--nms', choices=('per-class', 'agnostic'), help="which boxes suppress one another: those "
        "of one prompt, or of all, where a thing is of one class; default: the config's")
    parser.add_argument('--nms-thr', type=share, metavar='IOU',
                        help='overlap above which they do, 0 to 1')
    parser.add_argument(
        '--guides', choices=('prompts', 'fixed'), help='what gates the pyramid: the prompts that '
        "are asked for, or fixed names, with which a prompt's scores do not depend on the others; "
        "default: the config's")
    parser.add_argument('--top-k', type=whole_number, metavar='N', help='at most N boxes an image')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
        help='override settings of the config; a list is written "[a,b]" without blanks')
    add_trust_argument(parser)


def config_settings(args: argparse.Namespace) -> dict[str, Any]:
    """The settings of the config that the options stand for, by dotted name."""
    settings = {
        'model.guides': args.guides,
        'model.test_cfg.nms.class_agnostic': args.nms and args.nms == 'agnostic',
        'model.test_cfg.nms.iou_threshold': args.nms_thr, 'model.test_cfg.max_per_img': args.top_k}
    said = {name: value for name, value in settings.items() if value is not None}
    return {**said, **(args.cfg_options or {})}


def add_search_arguments(parser: argparse.ArgumentParser) -> None:
    """Photographs and prompts in a row, the model, and what is done with them."""
    add_word_arguments(parser)
    add_model_arguments(parser, positional=False)


def add_word_arguments(parser: argparse.ArgumentParser) -> None:
    """Photographs and prompts in a row, whatever the model is."""
    parser.add_argument(
        'words', nargs='+', metavar='PHOTO ... PROMPTS',
        help="files, folders, patterns or addresses, '-' for a list on the standard input; and "
        "what to search for: 'a cat. a red chair', a .txt or .json file, prompts with tokens "
        '(.safetensors), or a vocabulary: coco, o365, lvis')
    parser.add_argument(
        '--texts', help='what to search for, as an option; then all before it are photographs')
    parser.add_argument(
        '-c', '--custom-entities', action=argparse.BooleanOptionalAction, default=True,
        help="split the text at line ends, ',', ';' and full stops, as is usual; with "
        '--no-custom-entities it is one prompt')
    parser.add_argument('--score-thr', '--pred-score-thr', type=threshold_argument,
                        default=SCORE_THR, help="lowest score of what counts as found; by default "
                        "'auto': the model's own, else by the number of prompts")
    parser.add_argument('--batch-size', type=whole_number, default=1)


def sort_words(parser: CommandParser, args: argparse.Namespace) -> None:
    """Tell photographs, model and prompts apart: ``args.inputs``, ``args.model``, ``args.texts``.

    mmdet's form is understood, too: PHOTO MODEL --texts PROMPTS.
    """
    words = list(args.words)
    if args.model is None:
        models = [word for word in words[1:] if _names_model(word)]
        if len(models) == 1:
            args.model = models[0]
            words.remove(args.model)
    shown = bool(vars(args).get('examples')) and all(map(_is_source, words))
    if args.texts is None and not shown and not (_is_source(words[-1]) and args.model):
        args.texts = words.pop()
        if _is_source(args.texts) and not args.texts.lower().endswith(PROMPT_SUFFIXES):
            parser.error(f'the last argument is what to search for, and {args.texts} is a '
                         f'photograph: {parser.prog} {args.texts} "a cat. a red chair"')
    if not words:
        parser.error(f'two things are needed, a photograph and what to search for: {parser.prog} '
                     'photo.jpg "a cat. a red chair"')
    args.inputs = [path for word in words for path in _listed(parser, word)]


def _names_model(word: str) -> bool:
    if word.lower().endswith(TOKENS) and os.path.isfile(word):
        from expalign.checkpoints.prompt_file import has_prompts
        return not has_prompts(word)
    return word.lower().endswith(MODEL_SUFFIXES) and '\n' not in word or find(word) is not None


def _is_source(word: str) -> bool:
    """Whether a word can only be meant as something to search in."""
    return word == LIST or is_address(word) or os.path.exists(os.path.expanduser(word))


def _listed(parser: CommandParser, word: str) -> list[str]:
    """A word, or the lines of the standard input that ``-`` stands for."""
    if word != LIST:
        return [word]
    lines = [line.strip() for line in sys.stdin if line.strip()]
    if not lines:
        parser.error("'-' reads a list of photographs from the standard input, which is empty")
    return lines


def check_arguments(parser: CommandParser, args: argparse.Namespace) -> None:
    """Turn ``texts`` into prompts and refuse wrong paths, before any work."""
    if args.model and is_address(args.model):
        parser.error(f'the model {args.model} is an address: download it, and give the file; only '
                     '--weights may be an address')
    for path in filter(None, (args.model, args.weights)):
        # A model may be a folder that save_pretrained wrote.
        there = Path(path).is_file() or (path == args.model and Path(path).is_dir())
        if '://' not in path and not there and find(path) is None:
            parser.error(f'{path} does not exist, and no model has this name')
    if args.weights and not args.model:
        parser.error('--weights needs the config of the model in front of it')
    _check_device(parser, args.device)
    # Everything that is read besides the images; a text that names no file does no harm.
    args.read = [*filter(None, (args.model, args.weights, vars(args).get('texts')))]
    try:
        if vars(args).get('show'):
            from expalign.utils.screen import check_screen
            check_screen()
        if 'examples' in args:
            check_examples(args)
        if vars(args).get('texts') is not None:
            args.texts = understood_prompts(args.texts, args.custom_entities)
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        parser.error(str(error))


def make_folder(parser: CommandParser, folder: str | Path) -> None:
    """Make the folder of the results, or say why it cannot be."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            parser.error(f'the folder {folder} cannot be written to')
    except OSError as error:
        parser.error(f'the folder {folder} cannot be made: {error}')


def _check_device(parser: CommandParser, name: str | None) -> None:
    if name is None or name == 'cpu':
        return
    if not DEVICE.fullmatch(name):
        parser.error(f"--device {name}: there is no such device; 'cpu' and 'cuda:0' are examples")
    import torch
    device = torch.device(name)
    if device.type == 'cuda' and (device.index or 0) >= torch.cuda.device_count():
        parser.error(f'--device {name}: this machine has {torch.cuda.device_count()} GPUs that '
                     'torch can use; leave it out, or give cpu')


def build_inferencer(parser: CommandParser, args: argparse.Namespace) -> 'ExpAlignInferencer':
    """The :class:`ExpAlignInferencer` that the command line asks for."""
    if 'out_dir' in args:
        make_folder(parser, args.out_dir)
    with uncollected():
        return _inferencer(parser, args)


def _inferencer(parser: CommandParser, args: argparse.Namespace) -> 'ExpAlignInferencer':
    from mmengine.logging import MMLogger

    from expalign.checkpoints.fetch import FetchError

    from .inferencer import ExpAlignInferencer
    # Where mmengine says what it does: below a warning it is of no use here.
    MMLogger.get_instance('expalign', log_level='WARNING')
    try:
        with without_lines('Loads checkpoint by '):
            return ExpAlignInferencer(
                args.model, args.weights, device=args.device, show_progress=False,
                cfg_options=config_settings(args))
    except FetchError as error:
        parser.fail(NOT_FETCHED, f'{error}; or name a config and --weights')
    # RuntimeError: a checkpoint that does not fit the config, or that is not to be trusted
    except (ValueError, OSError, RuntimeError) as error:
        parser.error(str(error))
