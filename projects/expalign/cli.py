"""The command ``expalign``: one word for each of the tools, which ship inside of the package.

A sub-command is a script of ``tools`` or ``demo``, run with the rest of the command line. Nothing
heavy is imported before it is chosen.
"""

import runpy
import sys
from collections.abc import Sequence
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from expalign.version import __version__

from .utils.command_parser import CommandParser
from .utils.file_kinds import is_address
from .utils.model_table import FOLDER, ModelError, models


class Script(NamedTuple):
    """A sub-command: the script, what it does, and a command line that shows how."""

    path: str
    summary: str
    example: str


SCRIPTS = {
    'detect': Script(
        'demo/image_demo.py', 'find what words name in photographs',
        'expalign detect photo.jpg "a cat. a red chair"'),
    'video': Script(
        'demo/video_demo.py', 'the same in a film, a stream or a camera',
        'expalign video film.mp4 "a dog. a ball"'),
    'label': Script(
        'tools/label_images.py', 'label a folder, list or archive of photographs',
        'expalign label photos --texts "a cat. a red chair" --format coco yolo --out labels'),
    'serve': Script(
        'demo/web_demo.py', 'the same in a browser (needs the extra "web")',
        'expalign serve expalign-s --port 7860'),
    'train': Script(
        'tools/train_own_data.py', 'train on a folder of labelled photographs; or a config (*.py)',
        'expalign train path/to/photographs'),
    'test': Script(
        'tools/test.py', 'test a model', 'expalign test my_data.py work_dirs/my_data/epoch_10.pth'),
    'check': Script(
        'tools/check_dataset.py', 'say what is wrong with a data set',
        'expalign check my_data.py --split train val'),
    'suggest': Script(
        'tools/suggest_prompts.py', 'find the words that work best for the classes of a data set',
        'expalign suggest my_photos --images 24 --out prompts.json'),
    'tune': Script(
        'tools/tune_prompts.py', 'fit prompts to labelled photographs; the model stays as it is',
        'expalign tune my_photos --out mine.safetensors'),
    'export': Script(
        'tools/deploy/export_onnx.py', 'write ONNX files that need no PyTorch (extra "export")',
        'expalign export CONFIG CHECKPOINT model.onnx'),
}
# Commands without a script: what they do, and a command line that shows how.
OWN = {
    'convert': ('data sets of other formats', 'expalign convert yolo2coco FOLDER OUT'),
    'models': ('the names of models; --all: of every config', 'expalign models --all'),
    'run': ("a script of mmdet's with what this package puts right",
            'expalign run mmdetection/tools/test.py CONFIG CHECKPOINT'),
    'completion': ('commands and options by the tab key, in bash, zsh and fish',
                   'eval "$(expalign completion bash)"')}
CONVERTERS = {name: f'tools/dataset_converters/{name}.py' for name in (
    'yolo2coco', 'voc2coco', 'labelme2coco', 'via2coco', 'cvat2coco', 'csv2coco', 'coco2odvg',
    'goldg2odvg', 'lvis2odvg', 'refcoco2odvg', 'lvis_minival')}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a sub-command; exits with its status."""
    command, *rest = (sys.argv[1:] if arguments is None else list(arguments)) or ['--help']
    if command in ('-h', '--help', 'help'):
        print(_help())
    elif command in ('-V', '--version'):
        print(f'expalign {__version__}')
    elif command in OWN and rest[:1] in (['-h'], ['--help']):
        print(f'{OWN[command][0]}\n\nexample:\n  {OWN[command][1]}')
    elif command == 'models':
        _print_models(rest)
    elif command == 'train' and any(argument.endswith('.py') for argument in rest):
        _run('tools/train.py', 'expalign train', rest)
    elif command == 'detect' and _names_film(rest):
        _run(SCRIPTS['video'].path, 'expalign video', rest)
    elif command in SCRIPTS:
        _run(SCRIPTS[command].path, f'expalign {command}', rest)
    elif command == 'convert':
        _convert(rest)
    elif command == 'run':
        _run_other(rest)
    elif command == 'completion':
        _print_completion(rest)
    else:
        _fail(f'{command!r} is no command{_suggestion(command)}; expalign --help lists them')


def _load(path: str) -> ModuleType:
    """A shipped script as a module; its ``main`` is not called."""
    script = FOLDER / path
    if not script.is_file():
        _fail(f'{script} is missing: in a checkout it is a symbolic link; turn on core.symlinks in '
              'git and check it out again, or install the package')
    spec = spec_from_file_location(script.stem, script)
    module = module_from_spec(spec)
    sys.modules[script.stem] = module  # where its functions are looked for by other processes
    spec.loader.exec_module(module)
    return module


def _run(path: str, name: str, arguments: Sequence[str]) -> None:
    """Call the ``main`` of a shipped script, as it does itself, under the name of the sub-command.
    """
    sys.argv = [name, *arguments]
    module = _load(path)
    if 'run_command' in vars(module):  # errors are one line
        module.run_command(module.main)
    else:
        module.main()


def _names_film(arguments: Sequence[str]) -> bool:
    from expalign.apis.video import EXTENSIONS, STREAMS
    return any(word.lower().startswith(STREAMS) or (
        word.lower().endswith(EXTENSIONS) and (is_address(word) or Path(word).is_file()))
        for word in arguments)


def _run_other(arguments: Sequence[str]) -> None:
    """A script of somebody else's, such as mmdet's tools, with the compatibility layer in place."""
    if not arguments or not Path(arguments[0]).is_file():
        _fail("run needs a Python script, such as mmdet's tools/test.py, and its arguments")
    sys.argv = list(arguments)
    sys.path.insert(0, str(Path(arguments[0]).parent))  # as Python does for a script
    runpy.run_path(arguments[0], run_name='__main__')


def _convert(arguments: Sequence[str]) -> None:
    if not arguments or arguments[0] not in CONVERTERS:
        _fail(f'convert needs one of {", ".join(CONVERTERS)}; for example: expalign convert '
              'yolo2coco FOLDER OUT')
    _run(CONVERTERS[arguments[0]], f'expalign convert {arguments[0]}', arguments[1:])


def _print_models(arguments: Sequence[str]) -> None:
    """The models that have weights, and how much is fetched when one is first used.

    With ``--all`` also the configs that have none.
    """
    if arguments not in ([], ['--all']):
        _fail('models takes no argument but --all')
    try:
        rows = [row for row in models() if row.weights or arguments]
    except ModelError as error:
        _fail(str(error))
    from .model_zoo import megabytes_to_fetch
    width = max(len(row.name) for row in rows)
    for row in rows:
        megabytes = megabytes_to_fetch(row)
        state = ('no weights' if not row.weights else
                 f'to fetch: {megabytes:,} MB' if megabytes else 'here')
        print(f'{row.name:<{width}}  {state:<18}  {row.summary}')


def _print_completion(arguments: Sequence[str]) -> None:
    """What a shell is to be told of the commands and their options."""
    from .utils.completion import SHELLS, completion_script
    if len(arguments) != 1 or arguments[0] not in SHELLS:
        _fail(f'completion needs the shell, one of {", ".join(SHELLS)}; for example: '
              f'{OWN["completion"][1]}')
    names = [model.name for model in models() if model.weights]
    options = {command: [*_options(script.path), *names] for command, script in SCRIPTS.items()}
    options |= {'convert': [*CONVERTERS], 'models': ['--all'], 'run': [], 'completion': [*SHELLS]}
    print(completion_script(arguments[0], options), end='')


def _options(path: str) -> list[str]:
    """The options of a script, from its own parser."""
    found: list[str] = []

    def parse(parser: CommandParser, *_: object) -> None:
        found.extend(name for name in parser.options() if name.startswith('--'))
        raise SystemExit

    module, before = _load(path), CommandParser.parse_args
    CommandParser.parse_args = parse
    try:
        module.parse_args()
    except SystemExit:
        return found
    finally:
        CommandParser.parse_args = before


def _help() -> str:
    lines = ['Open-vocabulary detection and segmentation.', '', 'Commands:']
    lines += [f'  {name:<8} {script.summary}\n           {script.example}'
              for name, script in SCRIPTS.items()]
    lines += [f'  {name:<8} {summary}\n           {example}'
              for name, (summary, example) in OWN.items()]
    lines += ['', 'expalign COMMAND --help has the options of a command.']
    return '\n'.join(lines)


def _suggestion(command: str) -> str:
    from difflib import get_close_matches
    close = get_close_matches(command, [*SCRIPTS, *OWN], n=1)
    return f'; did you mean {close[0]}?' if close else ''


def _fail(message: str) -> None:
    print(f'expalign: {message}', file=sys.stderr)
    sys.exit(2)
