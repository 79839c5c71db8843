"""Any transformers text encoder that gives token states: MiniLM, BERT, SigLIP's text tower."""

import inspect
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from expalign.models.utils.pretrained import (
    config_from_dict,
    load_pretrained,
    load_tokenizer,
    read_optional_json,
)
from expalign.models.utils.upload import upload
from expalign.registry import MODELS

from .token_encoder import TokenEncoder

# SigLIP is trained on prompts padded to its limit, without an attention mask, and its sentence
# vector is the projected state of the last position.
PADDED_FAMILY = 'siglip'


@MODELS.register_module()
class HFTokenEncoder(TokenEncoder):
    """Token states of a transformers text encoder, followed by its own sentence vector.

    Special tokens ([CLS], [SEP]) and padding are dropped; the sentence vector, as the makers of
    the encoder define it, is appended as the last token, the analogue of CLIP's EOT. Widths are
    those of the encoder: the text adapter projects.

    Args:
        model: Hub name, local folder or ``'package:NAME/SUBFOLDER'``; or a dict of configuration
            arguments with ``model_type`` for a randomly initialised encoder. Of a two-tower model
            the text tower is taken.
        tokenizer: Where the tokenizer is; by default beside the model. Required with a dict.
        sentence_pooling: ``'mean'``: mean over all tokens that are not padding, [CLS] and [SEP]
            included, as in sentence-transformers; ``'cls'``: state of the first token;
            ``'pooler'``: the model's pooler output. None: what ``1_Pooling/config.json`` beside
            the model says, else ``'pooler'`` for SigLIP and ``'mean'`` for others.
        padding: ``'longest'`` or ``'max_length'``. None: ``'max_length'`` for SigLIP, which was
            trained so, ``'longest'`` for others.
        max_length: Tokens a prompt may have. None: the smallest limit that the tokenizer, the
            model and ``sentence_bert_config.json`` beside it state.
        frozen: Whether to freeze the encoder.
        kwargs: ``cache_size``, ``batch_size``, ``cache_dir``, ``bare`` of :class:`TokenEncoder`.

    Raises:
        PretrainedModelError: Weights or tokenizer cannot be had.
        ValueError: The arguments do not suit the model.
    """

    def __init__(self, model: str | dict, tokenizer: str | None = None,
                 sentence_pooling: str | None = None, padding: str | None = None,
                 max_length: int | None = None, frozen: bool = True, **kwargs) -> None:
        owner = type(self).__name__
        if isinstance(model, dict) and (tokenizer is None or 'model_type' not in model):
            raise ValueError(f"{owner}: a model given as a dict needs a 'model_type' in it and a "
                             'tokenizer=...')
        network = _build(model, sentence_pooling, owner)
        padded = network.config.model_type.startswith(PADDED_FAMILY)
        if isinstance(model, str):
            sentence_pooling = sentence_pooling or _stated_pooling(model, owner)
        sentence_pooling = sentence_pooling or ('pooler' if padded else 'mean')
        if sentence_pooling not in ('mean', 'cls', 'pooler'):
            raise ValueError(f"{owner}: sentence_pooling must be 'mean', 'cls' or 'pooler', got "
                             f'{sentence_pooling!r}.')
        if sentence_pooling != 'pooler':
            _exclude_pooler(network)
        tokens = load_tokenizer(tokenizer or model, f'{owner}(tokenizer=...)')
        if isinstance(model, str) and max_length is None:
            stated = _stated_length(model, owner) or tokens.model_max_length
            tokens.model_max_length = min(tokens.model_max_length, stated)
        super().__init__(
            network, tokens, network.config.hidden_size, max_length=max_length,
            padding=padding or ('max_length' if padded else 'longest'), frozen=frozen, **kwargs)
        self.sentence_pooling = sentence_pooling
        accepted = set(inspect.signature(network.forward).parameters)
        if padded:
            accepted.discard('attention_mask')
        self._inputs = [name for name in self.tokenizer.model_input_names if name in accepted]

    def encode_batch(self, texts: list[str]) -> tuple[Tensor, list[int]]:
        """Encode prompts; see :meth:`TokenEncoder.encode_batch`."""
        batch = self.tokenize_on_host(texts)
        outputs = self.model(**{name: upload(batch[name], self.device) for name in self._inputs})
        present = batch['attention_mask'].astype(bool)
        sentences = self._sentence_vectors(outputs, upload(present, self.device))  # (n, D)
        keep = present & ~batch['special_tokens_mask'].astype(bool)
        return self.select(
            torch.cat((outputs.last_hidden_state, sentences[:, None]), 1),
            np.pad(keep, ((0, 0), (0, 1)), constant_values=True))

    def cache_settings(self) -> dict[str, Any]:
        """Return what the tokens depend on; see :meth:`TokenEncoder.cache_settings`."""
        return dict(super().cache_settings(), sentence_pooling=self.sentence_pooling)

    def _sentence_vectors(self, outputs: Any, present: Tensor) -> Tensor:
        if self.sentence_pooling == 'pooler':
            return outputs.pooler_output
        states = outputs.last_hidden_state
        if self.sentence_pooling == 'cls':
            return states[:, 0]
        weights = present.to(states.dtype)
        return torch.einsum('nl,nld->nd', weights, states) / weights.sum(dim=1, keepdim=True)


def _build(model: str | dict, sentence_pooling: str | None, owner: str) -> nn.Module:
    from transformers import AutoConfig, AutoModel
    if isinstance(model, dict):
        network = AutoModel.from_config(config_from_dict(AutoConfig.for_model, model, owner))
    else:
        # Masked language models are published without the pooler, which is then not needed.
        unneeded = () if sentence_pooling == 'pooler' else ('pooler.',)
        network = load_pretrained(AutoModel, model, f'{owner}(model=...)', allow_missing=unneeded)
    if network.config.model_type.startswith('clip'):
        raise ValueError(f"{owner}: use 'expalign.CLIPTokenEncoder' for a CLIP model.")
    if network.config.is_encoder_decoder:
        raise ValueError(f'{owner}: {type(network).__name__} has a decoder; a text encoder is '
                         'needed.')
    return getattr(network, 'text_model', network)


def _stated_pooling(model: str, owner: str) -> str | None:
    """Return the pooling that sentence-transformers' files beside a model state, if any."""
    config = read_optional_json(model, '1_Pooling/config.json', owner, 'sentence_pooling')
    if config is None:
        return None
    # Older files have one flag per mode, newer ones the mode's name.
    modes = [config['pooling_mode']] if 'pooling_mode' in config else [
        key.removeprefix('pooling_mode_').removesuffix('_tokens').removesuffix('_token')
        for key, value in config.items() if key.startswith('pooling_mode_') and value]
    if len(modes) != 1 or modes[0] not in ('mean', 'cls'):
        raise ValueError(f"{owner}: {model!r} pools its tokens by {modes}; choose 'mean', 'cls' "
                         "or 'pooler' with sentence_pooling=...")
    return modes[0]


def _stated_length(model: str, owner: str) -> int | None:
    config = read_optional_json(model, 'sentence_bert_config.json', owner, 'max_length')
    return config and config.get('max_seq_length')


def _exclude_pooler(network: nn.Module) -> None:
    """Keep a pooler that is not used from waiting for gradients in distributed training."""
    for name in ('pooler', 'head'):
        unused = getattr(network, name, None)
        if unused is not None:
            unused.requires_grad_(False)
