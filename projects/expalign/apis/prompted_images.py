"""Images with their prompts on the way into the test pipeline."""

import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import repeat
from typing import Any

from tqdm import tqdm

from expalign.datasets.bad_samples import BadSample

from .images import Image, ImageStream, Inputs
from .texts import Texts, prompts_of_images, say_once

SHORT, LONG = 0.1, 10  # seconds between changes of the bar on a screen and in a file


class Requests:
    """What a call asks for, as the pipeline takes it, and a bar of progress.

    Args:
        inputs: see :class:`ImageStream`.
        texts, custom_entities: see :func:`prompts_of_images`.
        show_bar: whether a bar shows how far it is, and a line how a string was read.
        vocabulary: the prompts where there are no texts, to the end of the call; None: the model
            says what to do.
    """

    def __init__(self, inputs: Inputs | ImageStream, texts: Texts | None,
                 custom_entities: bool, show_bar: bool,
                 vocabulary: Sequence[str] | None = None) -> None:
        self.images = inputs if isinstance(inputs, ImageStream) else ImageStream(inputs)
        self.prompts = None
        if texts is not None:
            self.prompts = prompts_of_images(texts, len(self.images), custom_entities)
            if show_bar and isinstance(texts, str):
                say_once(texts, next(iter(self.prompts)))
        elif vocabulary is not None:
            self.prompts = repeat(list(vocabulary))
        self.show_bar = show_bar

    def __len__(self) -> int:
        return len(self.images)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        images = self.images
        if self.show_bar:
            # On the standard error: the standard output is for results.
            images = tqdm(images, total=len(images), unit='image',
                          mininterval=SHORT if sys.stderr.isatty() else LONG)
        prompts = None if self.prompts is None else iter(self.prompts)
        for image in images:
            request = dict(img_path=image) if isinstance(image, str) else dict(img=image)
            if prompts is not None:
                # The flag makes them a user's prompts; a list is not split.
                request.update(text=next(prompts), custom_entities=False)
            yield request

    def batches(
        self, pipeline: Callable[[dict], dict], size: int
    ) -> Iterator[list[tuple[Image, dict]]]:
        """Images with what the pipeline makes of them, without those that cannot be read."""
        batch = []
        for request in self:
            image = request['img_path'] if 'img_path' in request else request['img']
            try:
                batch.append((image, pipeline(request)))
            except BadSample as error:
                self.images.leave_out(image, error)
            if len(batch) == size:
                yield batch
                batch = []
        if batch:
            yield batch
        self.images.report_left_out()
