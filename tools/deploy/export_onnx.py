"""Export a detector to ONNX: ``python tools/deploy/export_onnx.py CONFIG CKPT -o m.onnx``.

By default the vocabulary is an input: ``images`` (B, 3, H, W), ``txt_feats`` (K, L, D) and
``txt_masks`` (K, L); ``--text-side text.onnx`` writes the encoder that makes the last two from
prompts. See docs/deployment.md.
"""

import argparse
import json
from pathlib import Path

from expalign.checkpoints.trust import add_trust_argument
from expalign.utils import check_outputs
from expalign.utils.command_parser import CommandParser, DictAction
from expalign.utils.file_kinds import is_address
from expalign.utils.model_table import find

IMAGES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp')


def parse_args() -> argparse.Namespace:
    """Read the command line, and refuse what cannot work before any work."""
    parser = CommandParser(description=__doc__, example='CONFIG CHECKPOINT -o model.onnx')
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint, .safetensors or .pth')
    parser.add_argument('-o', '--out', required=True, metavar='FILE.onnx', help='file to write')
    parser.add_argument(
        '--text-side', metavar='FILE.onnx', help='write text encoder and adapter to this file, '
        'and the tokenizer beside it')
    parser.add_argument(
        '--bake-vocabulary', metavar='FILE', help='prompts that become part of the graph: a JSON '
        'list, a .txt with one a line, or coco, o365, lvis; by default the classes that the model '
        'knows, unless there is a --text-side')
    parser.add_argument(
        '--nms', action='store_true', help='end the graph with the ONNX operator '
        'NonMaxSuppression')
    parser.add_argument(
        '--fp16', action='store_true', help='network in half precision, inputs in float32')
    parser.add_argument('--int8', action='store_true', help='8-bit convolutions')
    parser.add_argument(
        '--calibration-images', metavar='FOLDER', help='images that --int8 measures on')
    parser.add_argument(
        '--calibration-texts', metavar='FILE', default='coco',
        help='prompts that --int8 measures with, as --bake-vocabulary; default: coco')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
        help='override settings of the config; a list is written "[a,b]" without blanks')
    add_trust_argument(parser)
    args = parser.parse_args()
    check_arguments(parser, args)
    read_inputs(parser, args)
    return args


def check_arguments(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Refuse files that are missing or named wrongly, and options that do not go together."""
    if args.fp16 and args.int8:
        parser.error('--fp16 and --int8 are two forms of one file: choose one')
    if args.int8 and not args.calibration_images:
        parser.error('--int8 needs --calibration-images')
    if args.bake_vocabulary and args.text_side:
        parser.error('a baked vocabulary needs no --text-side')
    for path in filter(None, (args.out, args.text_side)):
        if Path(path).suffix != '.onnx':
            parser.error(f'{path}: the name must end in .onnx')
    for path in filter(None, (args.config, args.checkpoint, args.calibration_images)):
        if not Path(path).exists() and not is_address(path) and find(path) is None:
            parser.error(f'{path} does not exist')
    if args.text_side and Path(args.out).resolve() == Path(args.text_side).resolve():
        parser.error(f'{args.out}: detector and text side need files of their own')


def read_inputs(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Put prompts in the place of their files, and images in that of their folder."""
    from expalign.apis.texts import understood_prompts
    outputs = [path for path in (args.out, args.text_side) if path]
    read = [args.config, args.checkpoint, args.bake_vocabulary, args.calibration_texts]
    try:
        check_outputs(outputs, filter(None, read))
        if args.bake_vocabulary:
            args.bake_vocabulary = understood_prompts(args.bake_vocabulary)
        elif args.int8:
            args.calibration_texts = understood_prompts(args.calibration_texts)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    args.images = []
    if args.int8:
        args.images = sorted(
            path for path in Path(args.calibration_images).iterdir()
            if path.suffix.lower() in IMAGES)
        if not args.images:
            parser.error(f'--calibration-images {args.calibration_images} has no image')


def load_model(cfg, checkpoint: str):
    """The detector of a config with its weights, in eval mode, on the CPU."""
    from mmengine.registry import init_default_scope
    from mmengine.runner import load_checkpoint

    from expalign.registry import MODELS
    init_default_scope('mmdet')
    model = MODELS.build(cfg.model)
    load_checkpoint(model, checkpoint, map_location='cpu')
    return model.eval()


def write_form(args: argparse.Namespace, model) -> None:
    """Replace the float32 file by the form that was asked for."""
    if not (args.fp16 or args.int8):
        return
    from expalign.deploy.export_precision import to_float16, to_int8
    from expalign.runtime import OnnxDetector
    if args.fp16:
        to_float16(args.out, args.out)
        return
    detector = OnnxDetector(args.out)
    if not args.bake_vocabulary:
        from expalign.deploy.export_graph import baked_tokens
        texts = args.calibration_texts
        feats, masks = baked_tokens(model, texts)
        detector.set_text_features(texts, feats.numpy(), masks.numpy())
    print(f'measuring activations on {len(args.images)} images', flush=True)
    to_int8(args.out, args.out, args.images, detector)


def main() -> None:
    """Export, and say what was written."""
    args = parse_args()
    from expalign.deploy.export_graph import baked_tokens, export_detector
    from expalign.deploy.export_settings import detector_settings
    from expalign.deploy.export_text import export_text_side
    from expalign.utils.load_config import load_config
    cfg = load_config(args.config, args.cfg_options)
    model = load_model(cfg, args.checkpoint)
    tokens = None
    vocabulary = args.bake_vocabulary
    if not vocabulary and not args.text_side and model.known_classes is not None:
        vocabulary = list(model.known_classes.names)
    if vocabulary:
        tokens = baked_tokens(model, vocabulary)
    settings = detector_settings(cfg, model, vocabulary, args.nms)
    written = [Path(args.out)]
    export_detector(model, settings, args.out, tokens)
    write_form(args, model)
    if args.text_side:
        tokenizer = export_text_side(model, args.text_side, Path(args.config).name)
        written += [Path(args.text_side), tokenizer]
    for path in written:
        print(f'{path}  {path.stat().st_size / 1e6:.1f} MB')
    prompts = 'an input' if vocabulary is None else json.dumps(vocabulary[:5])[:-1] + (
        ', ...]' if len(vocabulary) > 5 else ']')
    print(f'vocabulary: {prompts}; NMS {"inside" if args.nms else "outside"}')


if __name__ == '__main__':
    main()
