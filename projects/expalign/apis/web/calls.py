"""What a call of the page may hold: values of the page's own kinds, nothing else.

gradio takes whatever JSON has the form of a file, anywhere in a call, for a file to read or an
address to fetch. So a call is read here first, and what goes on to gradio is made anew of what was
found to be right.
"""

import math
import re
from collections.abc import Callable
from typing import Any

import gradio as gr

from . import limits
from .storage import Storage

SESSION = re.compile(r'[A-Za-z0-9_-]{1,64}')
MAX_CHOSEN = 20  # entries of a list of prompts
NAME_LETTERS = 80
NOT_UPLOADED = ('The photograph is not one that you uploaded here, or not kept any more: choose it '
                'again')


class CallError(ValueError):
    """A call is not one of the page's; the message is for the visitor."""


def check_call(body: Any, blocks: gr.Blocks, storage: Storage, visitor: str) -> dict[str, Any]:
    """A call of ``/queue/join`` with nothing in it but what the page's own calls have.

    Args:
        body: the request's JSON.
        blocks: the page.
        storage: whose files and sessions are whose.
        visitor: who asks.

    Raises:
        CallError: it is not one of the page's calls, or names somebody else's file or session.
    """
    if not isinstance(body, dict) or not isinstance(body.get('data'), list):
        raise CallError('this is no call of the page')
    session = check_session(body.get('session_hash'), storage, visitor)
    number = body.get('fn_index')
    function = blocks.fns.get(number) if type(number) is int else None
    if function is None or not function.queue:
        raise CallError('there is no such call')
    if len(body['data']) != len(function.inputs):
        raise CallError(f'this call has {len(function.inputs)} values')
    data = [_check_value(value, block, storage, visitor)
            for value, block in zip(body['data'], function.inputs, strict=True)]
    trigger = body.get('trigger_id')
    return dict(data=data, fn_index=number, session_hash=session, event_data=None,
                trigger_id=trigger if type(trigger) is int else None)


def check_session(session: Any, storage: Storage, visitor: str) -> str:
    """The name of an open page, which must be the visitor's.

    Raises:
        CallError: it is not, or is no name.
    """
    if not isinstance(session, str) or not SESSION.fullmatch(session):
        raise CallError('this call has no session')
    if not storage.owns_session(session, visitor):
        raise CallError('this session is not yours: load the page again')
    return session


def _check_value(value: Any, block: Any, storage: Storage, visitor: str) -> Any:
    for kind, check in CHECKS.items():
        if isinstance(block, kind):
            return check(value, block, storage, visitor)
    raise CallError('this call takes no values')


def _check_file(value: Any, block: gr.Image, storage: Storage, visitor: str) -> dict | None:
    if value is None:
        return None
    path = value.get('path') if isinstance(value, dict) else None
    found = storage.find(path, visitor) if isinstance(path, str) else None
    if found is None:
        raise CallError(NOT_UPLOADED)
    name = value.get('orig_name')
    name = name[:NAME_LETTERS] if isinstance(name, str) else found.name
    return dict(path=str(found), orig_name=name, meta=dict(_type='gradio.FileData'))


def _check_text(value: Any, *_: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise CallError('prompts are a text')
    return value


def _check_number(value: Any, block: gr.Slider, *_: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise CallError('the lowest score is a number')
    return min(max(float(value), block.minimum), block.maximum)


def _check_choice(value: Any, block: gr.Dropdown, *_: Any) -> str | list[str] | None:
    chosen = value if block.multiselect else [value]
    if not isinstance(chosen, list) or len(chosen) > MAX_CHOSEN or not all(
            isinstance(text, str) and len(text) <= limits.PROMPT_LETTERS.value for text in chosen):
        raise CallError('this is none of the choices')
    if not block.multiselect and value not in [choice for _, choice in block.choices]:
        raise CallError('this is none of the choices')
    return value


def _check_index(value: Any, block: gr.Dataset, *_: Any) -> int:
    if type(value) is not int or not 0 <= value < len(block.samples):
        raise CallError('there is no such sample')
    return value


def _check_state(*_: Any) -> None:
    """gradio fills it in; what came with the call does not count."""


CHECKS: dict[type, Callable[..., Any]] = {
    gr.Image: _check_file, gr.Textbox: _check_text, gr.Slider: _check_number,
    gr.Dropdown: _check_choice, gr.Dataset: _check_index, gr.State: _check_state}
