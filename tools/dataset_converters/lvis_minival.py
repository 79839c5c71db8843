"""LVIS minival from the official val file: ``lvis_minival.py lvis_v1_val.json OUT.json``."""

import argparse

from expalign.data_tools.lvis_minival import extract_minival
from expalign.utils import run_command


def main() -> None:
    """Extract, and say what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('source', help='the official lvis_v1_val.json')
    parser.add_argument('output', help='annotation file to write')
    args = parser.parse_args()
    print(extract_minival(args.source, args.output).report(args.output))


if __name__ == '__main__':
    run_command(main)
