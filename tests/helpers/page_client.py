"""A visitor of the web page, over HTTP."""

from typing import Any

import httpx

UPLOAD = {'content-type': 'application/octet-stream'}


class PageClient(httpx.Client):
    """One visitor, with a cookie of its own or without any."""

    def __init__(self, port: int, with_cookie: bool = True) -> None:
        super().__init__(base_url=f'http://127.0.0.1:{port}', timeout=600, verify=False,
                         trust_env=False)
        self._with_cookie = with_cookie

    def __enter__(self) -> 'PageClient':
        super().__enter__()
        if self._with_cookie:
            self.get('/').raise_for_status()
        return self

    def request(self, *args: Any, **kwargs: Any) -> httpx.Response:
        answer = super().request(*args, **kwargs)
        if not self._with_cookie:
            self.cookies.clear()
        return answer

    def send_file(self, content: Any, **headers: str) -> httpx.Response:
        return self.post('/api/photographs', content=content, headers=UPLOAD | headers)

    def upload(self, content: bytes) -> str:
        """What an uploaded photograph is kept as."""
        answer = self.send_file(content)
        assert answer.status_code == 200, answer.text
        return answer.json()['photograph']

    def ask(self, photograph: Any, text: Any, name: Any = 'photo.jpg') -> httpx.Response:
        return self.post('/api/search', json=dict(photograph=photograph, text=text, name=name))

    def search(self, photograph: str, text: str, name: str = 'photo.jpg') -> dict:
        """What is found in an uploaded photograph."""
        answer = self.ask(photograph, text, name)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def of(self, result: dict | str, what: str, **query: Any) -> httpx.Response:
        """Something of a result: ``picture.jpg``, ``maps``, ``map.jpg``, ``explanation.png``."""
        name = result if isinstance(result, str) else result['result']
        return self.get(f'/api/results/{name}/{what}', params=query)

    def file(self, name: str, *results: dict, **query: Any) -> httpx.Response:
        """A file to keep of results."""
        names = '.'.join(result['result'] for result in results)
        return self.get(f'/api/files/{name}', params=dict(results=names, **query))
