"""Servers of films on this machine: HTTP without a length, as cameras speak it, and RTSP."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av


@contextmanager
def http_stream(pieces: list[bytes], kind: str, pause: float = 0.0, connections: int = 1,
                length: int | None = None) -> Iterator[str]:
    """Sends pieces one after another to each of the first ``connections``, and then ends.

    Yields the address.
    """
    answered = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            answered.append(self.path)
            if len(answered) > connections:
                self.send_error(503)
                return
            self.send_response(200)
            self.send_header('Content-Type', kind)
            if length is not None:
                self.send_header('Content-Length', str(length))
            self.end_headers()
            try:
                for piece in pieces:
                    self.wfile.write(piece)
                    time.sleep(pause)
            except OSError:  # nobody listens any more
                pass

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f'http://127.0.0.1:{server.server_port}/film'
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def photographs(frames: list[bytes]) -> list[bytes]:
    """JPEG files as the pieces of ``multipart/x-mixed-replace``."""
    return [b'--b\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n' % (len(f), f)
            for f in frames]


@contextmanager
def rtsp_stream(film: Path, pause: float = 0.02) -> Iterator[str]:
    """Plays an MPEG transport stream once, interleaved with RTSP (RFC 2326, 10.12).

    Yields the address.
    """
    listener = socket.create_server(('127.0.0.1', 0))
    port = listener.getsockname()[1]
    thread = threading.Thread(target=_serve_rtsp, args=(listener, film, pause), daemon=True)
    thread.start()
    try:
        yield f'rtsp://127.0.0.1:{port}/film'
    finally:
        listener.close()
        thread.join(timeout=5)


def _serve_rtsp(listener: socket.socket, film: Path, pause: float) -> None:
    session = (b'v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=film\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n'
               b'm=video 0 RTP/AVP 33\r\na=control:track\r\n')
    headers = {
        'OPTIONS': b'Public: DESCRIBE, SETUP, PLAY, TEARDOWN\r\n',
        'DESCRIBE': b'Content-Type: application/sdp\r\nContent-Length: %d\r\n' % len(session),
        'SETUP': b'Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n',
        'PLAY': b'Session: 1\r\n', 'TEARDOWN': b'Session: 1\r\n'}
    try:
        line, _ = listener.accept()
        listener.close()  # who comes back is refused
        with line, line.makefile('rb') as requests:
            while request := requests.readline():
                method, number = request.split()[0].decode(), b'0'
                while (header := requests.readline().strip()):
                    if header.lower().startswith(b'cseq:'):
                        number = header.split(b':')[1].strip()
                line.sendall(b'RTSP/1.0 200 OK\r\nCSeq: %s\r\n%s\r\n%s' % (
                    number, headers[method], session if method == 'DESCRIBE' else b''))
                if method == 'PLAY':
                    _play(line, film.read_bytes(), pause)
                    return
    except OSError:  # the listener is closed, or nobody listens
        return


def _play(line: socket.socket, content: bytes, pause: float) -> None:
    """RTP packets of payload type 33 (RFC 3551), seven of the stream's packets in each."""
    for number, start in enumerate(range(0, len(content), 7 * 188)):
        payload = content[start:start + 7 * 188]
        packet = b'\x80\x21' + number.to_bytes(2, 'big') + (900 * number).to_bytes(4, 'big')
        packet += b'\0\0\0\1' + payload
        line.sendall(b'$\0' + len(packet).to_bytes(2, 'big') + packet)
        time.sleep(pause)


def jpeg(image) -> bytes:
    """A picture (H, W, 3) RGB as a JPEG file."""
    codec = av.CodecContext.create('mjpeg', 'w')
    codec.height, codec.width = image.shape[:2]
    codec.pix_fmt, codec.time_base = 'yuvj420p', 1
    frame = av.VideoFrame.from_ndarray(image, format='rgb24').reformat(format='yuvj420p')
    frame.pts = 0
    return b''.join(map(bytes, codec.encode(frame) + codec.encode(None)))
