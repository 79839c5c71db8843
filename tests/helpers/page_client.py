"""A visitor of the web demo, over HTTP."""

import json
import secrets
from typing import Any
from urllib.parse import quote

import httpx

FILE = dict(_type='gradio.FileData')


class PageClient(httpx.Client):
    """One visitor, with a cookie of its own and one open page."""

    def __init__(self, port: int, with_cookie: bool = True) -> None:
        super().__init__(base_url=f'http://127.0.0.1:{port}', timeout=600, verify=False)
        self.session = secrets.token_hex(6)
        self._with_cookie = with_cookie

    def __enter__(self) -> 'PageClient':
        super().__enter__()
        if self._with_cookie:
            self.get('/').raise_for_status()
        return self

    def number_of(self, target: str) -> int:
        """The number of the call that an element of the page makes, by its ``elem_id``."""
        config = self.get('/config').json()
        (block,) = (part['id'] for part in config['components']
                    if part['props'].get('elem_id') == target)
        (number,) = (call['id'] for call in config['dependencies']
                     if any(own[0] == block for own in call['targets']))
        return number

    def send_file(self, content: bytes, name: str = 'photo.jpg') -> httpx.Response:
        return self.post('/gradio_api/upload', files=dict(files=(name, content)))

    def join(self, number: int, data: list, session: str | None = None, **more: Any
             ) -> httpx.Response:
        return self.post('/gradio_api/queue/join', json=dict(
            data=data, fn_index=number, session_hash=session or self.session, **more))

    def answer(self) -> dict:
        """What the call that was joined gives: ``data``, or ``error``."""
        with self.stream('GET', '/gradio_api/queue/data',
                         params=dict(session_hash=self.session)) as lines:
            for line in lines.iter_lines():
                message = json.loads(line.removeprefix('data:')) if line.startswith('data:') else {}
                if message.get('msg') == 'process_completed':
                    return message['output']
        raise AssertionError('the stream ended without a result')

    def search(self, number: int, path: str | None, text: str, score_thr: float = 0.01) -> dict:
        """Search an uploaded photograph; what :meth:`answer` gives."""
        image = None if path is None else dict(path=path, orig_name='photo.jpg', meta=FILE)
        self.join(number, [image, text, score_thr]).raise_for_status()
        return self.answer()

    def fetch(self, path: str) -> httpx.Response:
        return self.get(f'/gradio_api/file={quote(path)}')
