"""What the demos' command lines share: the model, its prompts and the device."""

import argparse
import os
from pathlib import Path

import torch

from expalign.checkpoints.fetch import FetchError
from expalign.checkpoints.trust import add_trust_argument
from expalign.utils.model_table import find

from .texts import understood_prompts


def positive(text: str) -> int:
    """The type of an argument that counts."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'{text} is no whole number of 1 or more')
    return int(text)


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """``model`` and what goes with it, under mmdet's names."""
    parser.add_argument(
        'model', nargs='?', help='name of a model, config, or a checkpoint that has its config in '
        'it; without it the default detector is fetched and used, as by make demo')
    parser.add_argument('--weights', help='checkpoint, .pth or .safetensors')
    parser.add_argument('--device', default=None, help="'cpu', 'cuda:0', ...; default: what is "
                        'there')
    parser.add_argument(
        '--palette', default='none', choices=['none', 'coco', 'voc', 'citys', 'random'],
        help="colours of the pictures; 'none': one of seven for each prompt")
    add_trust_argument(parser)


def add_text_arguments(parser: argparse.ArgumentParser) -> None:
    """``--texts`` and how it is read."""
    parser.add_argument(
        '--texts', required=True, help="what to search for: 'a cat, a red chair', a .txt or "
        '.json file, or a vocabulary: coco, o365, lvis')
    parser.add_argument(
        '-c', '--custom-entities', action=argparse.BooleanOptionalAction, default=True,
        help="split the text at line ends, ',', ';' and full stops, as is usual; with "
        '--no-custom-entities it is one prompt')
    parser.add_argument('--pred-score-thr', type=float, default=0.3,
                        help='lowest score in pictures')
    parser.add_argument('--batch-size', type=positive, default=1)


def check_arguments(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Turn ``texts`` into prompts and refuse wrong paths, before any work."""
    if args.model and '://' in args.model:
        parser.error(f'the model {args.model} is an address: download it, and give the file; only '
                     '--weights may be an address')
    for path in filter(None, (args.model, args.weights)):
        if '://' not in path and not Path(path).is_file() and find(path) is None:
            parser.error(f'{path} does not exist, and no model has this name')
    if args.weights and not args.model:
        parser.error('--weights needs the config of the model in front of it')
    _check_device(parser, args.device)
    # Everything that is read besides the images; a text that names no file does no harm.
    args.read = [*filter(None, (args.model, args.weights, vars(args).get('texts')))]
    if vars(args).get('show'):
        from expalign.utils.screen import check_screen
        try:
            check_screen()
        except RuntimeError as error:
            parser.error(str(error))
    if 'texts' in args:
        try:
            args.texts = understood_prompts(args.texts, args.custom_entities)
        except (OSError, ValueError, TypeError) as error:
            parser.error(str(error))


def _make_folder(parser: argparse.ArgumentParser, folder: str | Path) -> None:
    """Make the folder of the results, or say why it cannot be."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            parser.error(f'the folder {folder} cannot be written to')
    except OSError as error:
        parser.error(f'the folder {folder} cannot be made: {error}')


def _check_device(parser: argparse.ArgumentParser, name: str | None) -> None:
    if name is None:
        return
    try:
        device = torch.device(name)
    except RuntimeError:
        parser.error(f"--device {name}: there is no such device; 'cpu' and 'cuda:0' are examples")
    if device.type == 'cuda' and (device.index or 0) >= torch.cuda.device_count():
        parser.error(f'--device {name}: this machine has {torch.cuda.device_count()} GPUs that '
                     'torch can use; leave it out, or give cpu')


def build_inferencer(parser: argparse.ArgumentParser, args: argparse.Namespace):
    """The :class:`ExpAlignInferencer` that the command line asks for."""
    from .inferencer import ExpAlignInferencer
    if 'out_dir' in args:
        _make_folder(parser, args.out_dir)
    try:
        return ExpAlignInferencer(
            args.model, args.weights, device=args.device, palette=args.palette)
    except FetchError as error:
        parser.error(f'{error}; or name a config and --weights')
    # RuntimeError: a checkpoint that does not fit the config, or that is not to be trusted
    except (ValueError, OSError, RuntimeError) as error:
        parser.error(str(error))
