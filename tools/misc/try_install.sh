#!/usr/bin/env bash
# Install the package in a fresh environment and use it:
#   tools/misc/try_install.sh PYTHON [TORCH]        e.g. tools/misc/try_install.sh 3.12 2.9.1
# PYTHON is a version (pythonX.Y is on the PATH) or an interpreter, TORCH a version of torch.
# The environment is removed at the end; KEEP=1 keeps it. Prints the versions and what was found.
set -euo pipefail

if [ $# -lt 1 ]; then
  sed -n '2,5s/^# //p' "$0" >&2
  exit 2
fi
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
python=$1
[[ $python =~ ^[0-9.]+$ ]] && python=python$python
command -v "$python" >/dev/null || { echo "there is no $python on the PATH" >&2; exit 1; }

folder=$(mktemp -d)
[ "${KEEP:-0}" = 1 ] || trap 'rm -rf "$folder"' EXIT
"$python" -m venv "$folder/venv"
pip=("$folder/venv/bin/python" -m pip --disable-pip-version-check)
[ $# -lt 2 ] || "${pip[@]}" install --quiet "torch==$2"
"${pip[@]}" wheel --quiet --no-deps --wheel-dir "$folder" "$root"
"${pip[@]}" install --quiet "$folder"/expalign-*.whl
cd "$folder"
"$folder/venv/bin/python" - "$root/demo/data/mini/val2017/000000229997.jpg" <<'PROGRAM'
import platform
import sys
from importlib.metadata import version

from expalign.apis import ExpAlignInferencer

found = ExpAlignInferencer(device='cpu')(sys.argv[1], texts=['black bear'])['predictions'][0]
names = ('torch', 'numpy', 'transformers', 'onedl-mmengine', 'onedl-mmcv', 'onedl-mmdetection')
print(f'Python {platform.python_version()},', ', '.join(f'{n} {version(n)}' for n in names))
print(f'black bear {found["scores"][0]:.2f}, a mask of {found["masks"][0]["size"]} pixels')
PROGRAM
