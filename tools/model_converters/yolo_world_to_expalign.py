"""Convert YOLO-World v2 weights: ``python .../yolo_world_to_expalign.py SRC DST [options]``.

SRC is a checkpoint of the YOLO-World repository or ultralytics' ``yolov8{s,m,l,x}-worldv2.pt``. It
is read without running anything in it. DST, a safetensors file, holds backbone, neck and head; the
text encoder has weights of its own. The licence of SRC governs DST too.
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

import expalign  # noqa: F401  (before mmdet: the compatibility layer)
from expalign.checkpoints.safe_load import UntrustedCheckpointError
from expalign.checkpoints.yolo_world import (
    ConversionError,
    convert,
    detect_size,
    header,
    image_side_shapes,
    read_source,
)
from expalign.utils import check_outputs, finished_file
from expalign.utils.load_config import load_config

CONFIGS = Path(__file__).parents[2] / 'configs' / '_base_' / 'models'


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('src', metavar='SRC', help='checkpoint of YOLO-World v2')
    parser.add_argument('dst', metavar='DST', help='file to write, *.safetensors')
    parser.add_argument(
        '--config', help='config of the model; by default the one for the size of SRC')
    parser.add_argument(
        '--vectors', metavar='OUT',
        help="write the text vectors in SRC, if it has any, to OUT (.npz or .safetensors) for "
             'expalign.PromptVectorEncoder')
    args = parser.parse_args(argv)
    if Path(args.dst).suffix != '.safetensors':
        parser.error(f'DST {args.dst}: the name must end in .safetensors')
    if args.vectors and Path(args.vectors).suffix not in ('.npz', '.safetensors'):
        parser.error(f'--vectors {args.vectors}: the name must end in .npz or .safetensors')
    return args


def main(argv: list[str] | None = None) -> None:
    """Convert, and say what became of every tensor."""
    args = parse_args(argv)
    try:
        check_outputs(filter(None, (args.dst, args.vectors)), [args.src])
        source = read_source(args.src)
        config = args.config or str(CONFIGS / f'expalign_v8{detect_size(source)}.py')
        if args.vectors and source.vectors is None:
            raise ConversionError(f'{args.src} has no text vectors to write to {args.vectors}')
        converted = convert(source, image_side_shapes(load_config(config).model))
    except (ValueError, OSError, UntrustedCheckpointError) as error:
        sys.exit(f'error: {error}')
    from safetensors.torch import save_file
    meta = header(args.src, source, Path(config).name)
    with finished_file(args.dst) as temporary:
        save_file(converted.state_dict, temporary, meta)
    if args.vectors:
        from expalign.models.text_encoders.prompt_vectors import write_prompt_vectors
        write_prompt_vectors(args.vectors, source.prompts, source.vectors)
    report(args, source, converted, meta)


def report(args: argparse.Namespace, source, converted, meta: dict[str, str]) -> None:
    """Print the outcome."""
    weights = sum(x.numel() for x in converted.state_dict.values())
    print(f'{args.src} ({source.layout}, sha256 {meta["source_sha256"]})')
    print(f'{len(converted.state_dict)} of {len(source.weights)} tensors -> {args.dst} '
          f'({weights / 1e6:.2f} M numbers, for {meta["config"]})')
    for reason, count in Counter(converted.left_out.values()).items():
        names = [name for name, why in converted.left_out.items() if why == reason]
        print(f'left out, {reason}: {count} ({", ".join(names[:4])}{", ..." * (count > 4)})')
    if args.vectors:
        print(f'{len(source.prompts)} text vectors -> {args.vectors}')
    print(f'licence: {meta["licence"]}')


if __name__ == '__main__':
    main()
