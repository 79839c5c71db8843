"""The text side as an ONNX graph with its tokenizer: encoder, packing of tokens and adapter.

Axes: K prompts, T positions of the tokenizer, L tokens, D width.
"""

import hashlib
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from expalign.models.detectors import ExpAlignDetector
from expalign.models.text_encoders import CLIPTokenEncoder, HFTokenEncoder
from expalign.runtime.settings import TextSettings, to_metadata
from expalign.utils import finished_file

from .export_graph import write_onnx
from .export_settings import ExportError

AXES = {name: {0: 'K', 1: 'T'} for name in (
    'input_ids', 'attention_mask', 'special_tokens_mask')} | {
        name: {0: 'K', 1: 'L'} for name in ('txt_feats', 'txt_masks')} | {'known_rows': {0: 'K'}}


class CLIPTextGraph(nn.Module):
    """Tokens after the start token up to EOT; see :class:`CLIPTokenEncoder`."""

    inputs = ('input_ids', 'attention_mask')

    def __init__(self, model: ExpAlignDetector) -> None:
        super().__init__()
        self.encoder, self.adapter = model.text_encoder.model, model.text_adapter

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Ids and masks (K, T) to text features (K, T - 1, D) and masks."""
        states = self.encoder.text_model(input_ids=input_ids, attention_mask=attention_mask)
        tokens = self.encoder.text_projection(states.last_hidden_state[:, 1:])
        return self.adapter(tokens, attention_mask[:, 1:].bool())


class HFTextGraph(nn.Module):
    """Tokens that are not special, then the sentence vector; see :class:`HFTokenEncoder`."""

    inputs = ('input_ids', 'attention_mask', 'special_tokens_mask')

    def __init__(self, model: ExpAlignDetector) -> None:
        super().__init__()
        self.text_encoder, self.adapter = model.text_encoder, model.text_adapter
        known = {'input_ids', 'attention_mask', 'token_type_ids'}
        unknown = sorted(set(self.text_encoder._inputs) - known)
        if unknown:
            raise ExportError(f'the text encoder reads {unknown}, which the export does not know')

    def forward(self, input_ids: Tensor, attention_mask: Tensor, special_tokens_mask: Tensor
                ) -> tuple[Tensor, Tensor]:
        """Ids and masks (K, T) to text features (K, T + 1, D) and masks."""
        encoder = self.text_encoder
        batch = dict(input_ids=input_ids, attention_mask=attention_mask,
                     token_type_ids=torch.zeros_like(input_ids))
        outputs = encoder.model(**{name: batch[name] for name in encoder._inputs})
        present = attention_mask.bool()
        sentences = encoder._sentence_vectors(outputs, present)
        tokens = torch.cat([outputs.last_hidden_state, sentences[:, None]], dim=1)
        keep = present & ~special_tokens_mask.bool()
        keep = torch.cat([keep, torch.ones_like(keep[:, :1])], dim=1)
        return self.adapter(tokens, keep)


class KnownNamesGraph(nn.Module):
    """Exact vectors where a prompt is a known name; see :class:`KnownNames`.

    Args:
        graph: of encoder and adapter.
        vectors: (n, D) of the names.
    """

    def __init__(self, graph: nn.Module, vectors: Tensor) -> None:
        super().__init__()
        self.graph = graph
        self.inputs = (*graph.inputs, 'known_rows')
        self.register_buffer('vectors', vectors)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        """The graph's inputs, and rows (K) of the names, -1 for other prompts."""
        *inputs, rows = inputs
        feats, masks = self.graph(*inputs)
        known = (rows >= 0)[:, None]  # (K, 1)
        first = torch.cat([torch.ones_like(masks[:, :1]), torch.zeros_like(masks[:, 1:])], dim=1)
        exact = self.vectors[rows.clamp(min=0)][:, None] * first[..., None].to(feats.dtype)
        feats = torch.where(known[..., None], exact, feats)
        return feats, (first & known) | (masks & ~known)  # Where has no bool in onnxruntime


GRAPHS = {CLIPTokenEncoder: CLIPTextGraph, HFTokenEncoder: HFTextGraph}


@torch.no_grad()
def export_text_side(model: ExpAlignDetector, path: str | Path, config: str = '') -> Path:
    """Write encoder and adapter to an ONNX file, and the tokenizer beside it.

    Args:
        model: with its weights.
        path: the ONNX file.
        config: name of the config, for the file's metadata.

    Returns:
        The tokenizer's file.

    Raises:
        ExportError: prompts are not encoded by a network, or by one that is not known here; or
            some of them are tuned.
    """
    if model.tuned_prompts is not None:
        raise ExportError('the model has tuned prompts, which a text side does not give: bake its '
                          'classes, as the export does without --text-side')
    encoder = model.eval().text_encoder
    kind = next((kind for kind in GRAPHS if isinstance(encoder, kind)), None)
    if kind is None:
        raise ExportError(
            f'{type(encoder).__name__} has no network to export; bake the vocabulary '
            '(--bake-vocabulary) instead')
    graph, names = GRAPHS[kind](model), None
    if model.known_names is not None:
        graph = KnownNamesGraph(graph, model.known_names.vectors)
        names = model.known_names.names
    path = Path(path)
    tokenizer = Tokenizer.from_str(encoder.tokenizer.backend_tokenizer.to_str())
    tokenizer.no_padding()
    tokenizer.no_truncation()
    file = path.with_name(f'{path.stem}.tokenizer.json')
    with finished_file(file) as temporary:
        temporary.write_bytes(tokenizer.to_str(pretty=False).encode())
    settings = TextSettings(
        tokenizer=file.name, tokenizer_sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
        max_length=encoder.max_length, padding=encoder.padding,
        pad_id=encoder.tokenizer.pad_token_id, pad_token=encoder.tokenizer.pad_token,
        embed_dims=model.neck.embed_dims, config=config, known_names=names,
        bare=encoder.bare)
    example = encoder.tokenize(['a cat', 'a very small red chair'])
    example['known_rows'] = torch.tensor([0, -1])
    inputs = {name: example[name] for name in graph.inputs}
    write_onnx(graph.eval(), inputs, ['txt_feats', 'txt_masks'], AXES, path, to_metadata(settings))
    return file
