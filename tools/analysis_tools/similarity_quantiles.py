"""How alike names are in the space of a text model: quantiles of their cosines.

    similarity_quantiles.py [TEXT_MODEL]

The names are those of the shipped table (COCO, LVIS v1, Objects365, OpenImages). TEXT_MODEL is a
hub name, a folder or ``package:NAME/PATH``; without it the table's own vectors are taken, which are
CLIP ViT-B/32's. ``similarity_window`` of SamplePrompts is given in such quantiles.
"""

import argparse

import torch

import expalign  # noqa: F401  (before mmdet: the compatibility layer)
from expalign.checkpoints.warm_start import WEIGHTS
from expalign.models.text_encoders.prompt_vectors import read_prompt_vectors
from expalign.models.text_encoders.sentences import encoder_of, sentence_vectors
from expalign.utils import run_command

TABLE = WEIGHTS / 'clip_vitb32_names.safetensors'
QUANTILES = (0.01, 0.1, 0.5, 0.9, 0.99, 0.999)
BOUNDS = (0.2, 0.7)  # of the paper's Appendix G


def cosines(vectors: torch.Tensor) -> torch.Tensor:
    """Cosines of all pairs of n unit vectors (n, D): n * (n - 1) / 2 of them, sorted."""
    rows, columns = torch.triu_indices(len(vectors), len(vectors), offset=1)
    return (vectors @ vectors.T)[rows, columns].sort().values


def quantile(values: torch.Tensor, share: float) -> float:
    """The value that so many of sorted ``values`` lie below."""
    return values[round(share * (len(values) - 1))].item()


def main() -> None:
    """Encode, compare, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('text_model', nargs='?', help="whose space; the table's own by default")
    args = parser.parse_args()
    names, vectors = read_prompt_vectors(TABLE)
    vectors = torch.nn.functional.normalize(vectors.float(), dim=-1)
    if args.text_model:
        vectors = sentence_vectors(encoder_of(args.text_model, 'similarity_quantiles.py'), names)
    values = cosines(vectors)
    print(f'{len(names):,} names, {len(values):,} pairs, lowest {values[0]:.3f}')
    print('quantile ' + ' '.join(f'{share:>7g}' for share in QUANTILES))
    print('cosine   ' + ' '.join(f'{quantile(values, share):7.3f}' for share in QUANTILES))
    for bound in BOUNDS:
        share = torch.searchsorted(values, bound).item() / len(values)
        print(f'{bound:g} is the quantile {share:.4f}')


if __name__ == '__main__':
    run_command(main)
