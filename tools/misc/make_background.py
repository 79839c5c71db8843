"""Statistics of what a model's cells look like in photographs: ``make_background.py PHOTOS OUT``.

Prompts of examples are told from them, see ``expalign.models.prompt_fitting``. No annotation is
read. The shipped file is of the shipped training photographs:

    python tools/misc/make_background.py demo/data/mini/train2017 \
        projects/expalign/weights/expalign_v8s_background.safetensors
"""

import argparse

from expalign.utils import check_outputs, run_command
from expalign.utils.command_parser import CommandParser


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(description=__doc__, example='photos background.safetensors')
    parser.add_argument('photographs', help='folder or pattern of training photographs')
    parser.add_argument('out', help='file to write, *.safetensors')
    parser.add_argument('--model', default='expalign-s-boxes', help='name, config or checkpoint')
    parser.add_argument('--weights', help='checkpoint, where the model is a config')
    parser.add_argument('--device', help="'cpu', 'cuda:0', ...; default: what is there")
    return parser.parse_args()


def main() -> None:
    """Run the image side over the photographs, and write means and covariances."""
    args = parse_args()
    from expalign.apis import ExpAlignInferencer
    from expalign.apis.examples import cells_of_image
    from expalign.apis.images import ImageStream
    from expalign.models.prompt_fitting.background import Background
    from expalign.models.prompt_fitting.space import prompt_space
    from expalign.utils.progress import progress
    images = ImageStream(args.photographs)
    check_outputs([args.out], [path for path in images.sources if isinstance(path, str)])
    inferencer = ExpAlignInferencer(args.model, args.weights, device=args.device,
                                    show_progress=False)
    cells = (cells_of_image(inferencer, image)[0]
             for image in progress(images, 'image side', len(images)))
    background = Background.gather(cells, prompt_space(inferencer.model))
    background.save(args.out, photographs=str(len(images)), model=inferencer.name)
    print(f'{args.out}: {len(images)} photographs, {int(background.counts.sum()):,} cells, image '
          f'side {background.space}')


if __name__ == '__main__':
    run_command(main)
