"""Which request of the page is for what."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from expalign.structures.thresholds import ScoreThr

from . import limits, pictures
from .drawn import read_drawn
from .pictures import JPEG, File
from .requests import PageRequest, Refused
from .search import SHOWN_SIDE, Found
from .service import Service, read_threshold
from .turns import Turns, in_thread

PAGE = Path(__file__).with_name('page')
KINDS = {'.html': 'text/html; charset=utf-8', '.css': 'text/css; charset=utf-8',
         '.js': 'text/javascript; charset=utf-8', '.svg': 'image/svg+xml'}
UPLOAD = 'application/octet-stream'  # which forms of other sites never have
KEPT = 'private, max-age=3600, immutable'  # a result never changes
FILES: dict[str, Callable[..., File]] = {
    'predictions.json': pictures.json_file, 'coco.json': pictures.coco_file,
    'yolo.zip': pictures.yolo_file}
Answer = Callable[[PageRequest, dict[str, str]], Awaitable[None]]


class Routes:
    """Answers requests that passed the guard.

    Args:
        service: what the page can do.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._searching = Turns(1, limits.QUEUE, limits.VISITOR_QUEUE, 'searches')
        self._drawing = Turns(2, limits.DRAWINGS, limits.VISITOR_DRAWINGS, 'pictures')
        self._uploading = asyncio.Semaphore(limits.UPLOADS.value)
        # no-cache, unlike no-store, lets a browser keep the page for its way back.
        self._static = {('/' if path.name == 'index.html' else f'/{path.name}'):
                        File(path.read_bytes(), KINDS[path.suffix])
                        for path in PAGE.iterdir() if path.suffix in KINDS}
        self._routes: list[tuple[str, re.Pattern[str], Answer]] = [
            (method, re.compile(path), answer) for method, path, answer in (
                ('GET', r'/api/start', self._start),
                ('GET', r'/api/vocabularies/(?P<name>[a-z0-9]{1,20})', self._vocabulary),
                ('GET', r'/api/samples/(?P<number>[0-9]{1,3})\.jpg', self._sample),
                ('POST', r'/api/photographs', self._upload),
                ('POST', r'/api/search', self._search),
                ('GET', r'/api/results/(?P<result>[a-z0-9-]{1,40})/picture\.jpg', self._picture),
                ('GET', r'/api/results/(?P<result>[a-z0-9-]{1,40})/maps', self._maps),
                ('GET', r'/api/results/(?P<result>[a-z0-9-]{1,40})/map\.jpg', self._map),
                ('GET', r'/api/results/(?P<result>[a-z0-9-]{1,40})/explanation\.png',
                 self._explanation),
                ('GET', r'/api/files/(?P<file>[a-z.]{1,20})', self._file))]

    async def answer(self, request: PageRequest) -> None:
        """Answer a request.

        Raises:
            Refused: it is none of the page's, or cannot be answered.
            Gone: nobody waits for the answer any more.
        """
        method = 'GET' if request.method == 'HEAD' else request.method
        if method == 'GET' and (static := self._static.get(request.path)) is not None:
            return await request.answer(*static, cache_control='no-cache')
        for own, path, answer in self._routes:
            match = path.fullmatch(request.path)
            if match is not None and own == method:
                return await answer(request, match.groupdict())
        raise Refused(404, 'there is nothing here: open the page itself')

    async def _start(self, request: PageRequest, _: dict[str, str]) -> None:
        await request.answer_json(self._service.start())

    async def _vocabulary(self, request: PageRequest, given: dict[str, str]) -> None:
        await request.answer_json(await in_thread(self._service.vocabulary, given['name']))

    async def _sample(self, request: PageRequest, given: dict[str, str]) -> None:
        async with self._drawing.take(request.holder):
            content = await in_thread(self._service.sample_picture, int(given['number']),
                                      'small' in request.query)
        await request.answer(content, JPEG, cache_control=KEPT)

    async def _upload(self, request: PageRequest, _: dict[str, str]) -> None:
        if request.headers.get('content-type') != [UPLOAD]:
            raise Refused(415, f'a photograph is sent as {UPLOAD}')
        with self._service.new_file() as path:  # many uploads at a time fill no memory
            async with self._uploading:
                with path.open('wb') as file:
                    await request.copy(limits.PHOTOGRAPH_BYTES.value, file.write)
            async with self._drawing.take(request.holder):
                added = await in_thread(
                    self._service.add, path, request.visitor, request.holder)
        await request.answer_json(added)

    async def _search(self, request: PageRequest, _: dict[str, str]) -> None:
        call = await request.json()
        values = [call.get(key, '') for key in ('photograph', 'text', 'name')]
        if not all(isinstance(value, str) for value in values):
            raise Refused(400, 'a search has a photograph, a text and a name')
        if not values[0]:
            raise Refused(400, 'Choose a photograph first')

        drawn = read_drawn(call.get('examples', []))

        async def work() -> dict:
            async with self._searching.take(request.holder):
                return await in_thread(
                    self._service.search, *values, drawn, request.visitor, request.holder)

        await request.answer_json(await request.unless_gone(work()))

    async def _picture(self, request: PageRequest, given: dict[str, str]) -> None:
        await self._draw(request, given, partial(
            pictures.picture, threshold=_threshold(request), width=_number(request, 'width', 640),
            letters=_number(request, 'letters', 15)))

    async def _maps(self, request: PageRequest, given: dict[str, str]) -> None:
        found = self._service.result(given['result'], request.visitor)
        await request.answer_json(pictures.explanation(found, _prompts(request)[0]))

    async def _map(self, request: PageRequest, given: dict[str, str]) -> None:
        await self._draw(request, given, partial(
            pictures.map_of_level, prompt=_prompts(request)[0],
            level=request.query.get('level', ''), threshold=_threshold(request)))

    async def _explanation(self, request: PageRequest, given: dict[str, str]) -> None:
        await self._draw(request, given, partial(
            pictures.explanation_picture, prompts=_prompts(request),
            threshold=_threshold(request)))

    async def _draw(self, request: PageRequest, given: dict[str, str],
                    draw: Callable[[Found], File]) -> None:
        found = self._service.result(given['result'], request.visitor)

        async def work() -> File:
            async with self._drawing.take(request.holder):
                return await in_thread(draw, found)

        await request.answer(*await request.unless_gone(work()), cache_control=KEPT)

    async def _file(self, request: PageRequest, given: dict[str, str]) -> None:
        """A file to keep, of one result or of a gallery."""
        names = request.query.get('results', '').split('.')
        if len(names) > limits.PHOTOGRAPHS.value:
            raise Refused(400, f'{limits.PHOTOGRAPHS.value} photographs at a time')
        found = [self._service.result(name, request.visitor) for name in names]
        threshold = _threshold(request)
        name, visitor = given['file'], request.visitor

        def work() -> File:
            if name in FILES:
                return FILES[name](found, threshold)
            if name != ('picture.jpg' if len(found) == 1 else 'pictures.zip'):
                raise Refused(404, 'there is no such file')
            return pictures.pictures_file(
                found, threshold, (self._service.pixels_of(one, visitor) for one in found))

        async with self._drawing.take(request.holder):
            file = await in_thread(work)
        await request.answer(*file, content_disposition='attachment')


def _threshold(request: PageRequest) -> ScoreThr:
    return read_threshold(request.query.get('threshold', 'auto'))


def _number(request: PageRequest, name: str, default: int) -> int:
    """A length in pixels: of a picture, or of letters."""
    text = request.query.get(name, str(default))
    if not text.isdecimal() or not 8 <= int(text[:6]) <= SHOWN_SIDE:
        raise Refused(400, f'{name} is a number of pixels from 8 to {SHOWN_SIDE}')
    return int(text)


def _prompts(request: PageRequest) -> list[int]:
    """Places of prompts in a request."""
    places = request.query.get('prompt', '').split('.')
    if not all(place.isdecimal() and len(place) < 6 for place in places) or len(places) > 6:
        raise Refused(400, 'prompts are given by their numbers, six at most')
    return [int(place) for place in places]
