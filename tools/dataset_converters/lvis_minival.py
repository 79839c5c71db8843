"""LVIS minival from the official val file: ``lvis_minival.py lvis_v1_val.json OUT.json``."""


from expalign.data_tools.lvis_minival import extract_minival
from expalign.utils import run_command
from expalign.utils.command_parser import CommandParser


def main() -> None:
    """Extract, and say what was found."""
    parser = CommandParser(description=__doc__, example='lvis_v1_val.json lvis_minival.json')
    parser.add_argument('source', help='the official lvis_v1_val.json')
    parser.add_argument('output', help='annotation file to write')
    args = parser.parse_args()
    print(extract_minival(args.source, args.output).report(args.output))


if __name__ == '__main__':
    run_command(main)
