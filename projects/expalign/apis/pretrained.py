"""Models in folders and on the model hub, by the conventions of Hugging Face.

A folder has ``config.json``, ``model.safetensors`` and a card, ``README.md``. The config is data,
and holds what a checkpoint's own config may hold; see :mod:`.embedded_rules`. Nothing else of a
folder is opened.
"""

import json
import os
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import ModelHubMixin, hf_hub_download
from huggingface_hub.errors import EntryNotFoundError, HFValidationError
from mmengine.config import Config
from safetensors.torch import save_file
from torch import nn

from expalign.checkpoints.checkpoint import frozen_prefixes
from expalign.checkpoints.embedded_config import config_as_data, config_of_json
from expalign.checkpoints.frozen_encoders import HEADER_KEY, frozen_encoders
from expalign.checkpoints.trained_part import BASE, BASE_DIGEST
from expalign.model_zoo import resolve
from expalign.structures.known_classes import KNOWN_CLASSES
from expalign.utils import check_outputs, finished_file
from expalign.utils.download import hub_endpoint, is_offline
from expalign.utils.hub_errors import hub_failure
from expalign.utils.model_table import find
from expalign.version import __version__

CONFIG, WEIGHTS, CARD = 'config.json', 'model.safetensors', 'README.md'
WEIGHT_FILES = ('.pth', '.pt', '.safetensors')
PICKLES = ('.bin', '.pth', '.pt', '.ckpt', '.pkl')
# What a header says of the very weights beside it; the rest tells where they come from.
OF_THE_MODEL = (HEADER_KEY, KNOWN_CLASSES, BASE, BASE_DIGEST, 'cfg')
UNKNOWN_LICENCE = 'not stated'
CARD_TEMPLATE = """---
{{ card_data }}
---
# Open-vocabulary detection with ExpAlign

| | |
|---|---|
| weights | `model.safetensors`, {{ millions }} M numbers |
| config | `config.json`, data; also inside the weights file |
| expalign | {{ version }} |
| licence of the weights | {{ licence }} |
{%- for encoder in encoders %}
| {{ encoder }} |
{%- endfor %}

```python
from expalign.apis import ExpAlignInferencer

inferencer = ExpAlignInferencer.from_pretrained('FOLDER or OWNER/NAME')
inferencer('photo.jpg', texts='a cat. a red chair', out_dir='found')
```
"""


class PretrainedError(RuntimeError):
    """A folder or repository has no model that can be used; the message is one line."""


class Pretrained(ModelHubMixin, library_name='expalign', model_card_template=CARD_TEMPLATE,
                 paper_url='https://arxiv.org/abs/2601.22666',
                 pipeline_tag='zero-shot-object-detection', tags=['mmdet']):
    """What an inferencer has for folders and the hub; ``push_to_hub`` comes from the mixin."""

    model: nn.Module
    name: str

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        force_download: bool = False,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        revision: str | None = None,
        **options: Any,
    ) -> 'Pretrained':
        """Load what :meth:`save_pretrained` wrote.

        Args:
            pretrained_model_name_or_path: folder, or ``'OWNER/NAME'`` on the model hub.
            force_download: fetch again what is in the cache.
            token: for private repositories; by default the one of ``hf auth login``.
            cache_dir: where fetched files are kept; by default where the hub's client keeps them.
            local_files_only: take the cache alone, as where ``HF_HUB_OFFLINE`` is set.
            revision: branch, tag or commit of the repository.
            options: of the class, such as ``device``.

        Raises:
            PretrainedError: there is no such folder or repository, or it lacks one of the files.
            UntrustedCheckpointError: its config names what could run code, or files elsewhere.
            ValueError: its config or weights are damaged, or describe no detector.
            LimitExceeded: they ask for more than a limit allows.
        """
        source = os.path.expanduser(pretrained_model_name_or_path)
        if os.path.isdir(source):
            folder = Path(source)
        elif os.path.exists(source):
            raise PretrainedError(f'{source} is a file: give the folder that it is in, or load it '
                                  f'by {cls.__name__}(...)')
        else:
            folder = _fetch(
                source, revision=revision, force_download=force_download, token=token,
                cache_dir=cache_dir, local_files_only=local_files_only or is_offline(),
                endpoint=hub_endpoint(), library_name='expalign', library_version=__version__)
        loaded = cls(*model_of_folder(folder), **options)
        loaded.name = source
        return loaded

    def save_pretrained(self, save_directory: str | Path, **options: Any) -> str | None:
        """Write config, weights and card; an older card stays, for those who wrote one.

        Frozen encoders that their names stand for, such as a text encoder on the hub, are left
        out and checked by their digests when the folder is loaded.

        Args:
            save_directory: folder; it is made.
            options: of huggingface_hub's mixin: ``push_to_hub``, ``repo_id``, ...

        Returns:
            Where it was uploaded to, if that was asked for.

        Raises:
            ValueError: the model was loaded from this very folder.
            UntrustedCheckpointError: :meth:`from_pretrained` would refuse the model's config, e.g.
                as its text encoder is a folder of this machine.
        """
        folder = Path(save_directory).expanduser()
        if self._weights_file is not None:
            check_outputs([folder / WEIGHTS], [self._weights_file])
        self._config_to_save(folder)  # before anything is removed
        return super().save_pretrained(folder, **options)

    def generate_model_card(self, *args: Any, **kwargs: Any) -> Any:
        """The card, from the template and what the model is."""
        record = frozen_encoders(self.model, self._built_from)
        numbers = sum(x.numel() for x in self._weights_to_save().values())
        encoders = [f'frozen {part} | {entry["type"]}, `{entry["source"]}`, sha256 '
                    f'`{entry["sha256"]}`' for part, entry in record.items()]
        return super().generate_model_card(*args, **dict(
            millions=f'{numbers / 1e6:.2f}', version=__version__, encoders=encoders,
            licence=_licence(self._header)) | kwargs)

    def _remember(self, cfg: Config, weights: str | None) -> None:
        """Keep what the model is built from; building changes it."""
        self._built_from = deepcopy(cfg)
        self._weights_file = weights if weights and os.path.isfile(weights) else None

    def _remember_checkpoint(self, model: nn.Module, checkpoint: Mapping[str, Any]) -> None:
        """Keep what a checkpoint says of itself, and which encoders it has other weights for.

        Args:
            model: the detector, before the checkpoint is loaded into it.
            checkpoint: as mmengine loads it.
        """
        meta = checkpoint.get('meta') or {}
        self._header = {name: value for name, value in meta.items()
                        if isinstance(value, str) and name not in OF_THE_MODEL}
        if isinstance(meta.get('dataset_meta'), Mapping) and 'format' in meta:
            self._header['dataset_meta'] = json.dumps(meta['dataset_meta'])
        state, frozen = checkpoint.get('state_dict', checkpoint), frozen_prefixes(model)
        self._own_encoders = {
            name.partition('.')[0] for name, value in model.state_dict().items()
            if name.startswith(frozen) and name in state
            and not torch.equal(state[name].to(value), value)}

    def _config_to_save(self, folder: Path) -> dict[str, Any]:
        return config_as_data(self._built_from, folder / CONFIG)

    def _weights_to_save(self) -> dict[str, Any]:
        settings = self._built_from.model
        record = frozen_encoders(self.model, self._built_from)
        left_out = tuple(f'{part}.' for part in record if part not in self._own_encoders
                         and isinstance(settings[part].get('model'), str))
        return {name: value.contiguous().cpu() for name, value in self.model.state_dict().items()
                if not (left_out and name.startswith(left_out))}

    def _save_pretrained(self, save_directory: Path) -> None:
        parts = self._config_to_save(save_directory)
        header = self._header | dict(
            format='pt', expalign=__version__, cfg=Config(parts).pretty_text,
            licence=_licence(self._header))
        header[HEADER_KEY] = json.dumps(frozen_encoders(self.model, self._built_from))
        if self.model.known_classes is not None:
            header[KNOWN_CLASSES] = json.dumps(self.model.known_classes.to_plain())
        with finished_file(save_directory / WEIGHTS) as temporary:
            save_file(self._weights_to_save(), temporary, header)
        with finished_file(save_directory / CONFIG) as temporary:
            temporary.write_text(json.dumps(parts, indent=2) + '\n', encoding='utf-8')


def _licence(header: Mapping[str, str]) -> str:
    """All licences that a header speaks of: of the whole, or of each part."""
    if header.get('licence', UNKNOWN_LICENCE) != UNKNOWN_LICENCE:
        return header['licence']
    found = dict.fromkeys(value for name, value in sorted(header.items())
                          if name.rpartition('.')[2] == 'licence' and value != UNKNOWN_LICENCE)
    return '; '.join(found) or UNKNOWN_LICENCE


def config_and_weights(
    model: str, weights: str | Path | None
) -> tuple[Config | str | None, str | Path | None]:
    """What a name, a folder, a config file or a checkpoint stands for; without a config None.

    Raises:
        FileNotFoundError: it is none of these.
        Exception: as :func:`model_of_folder` and :func:`~expalign.model_zoo.resolve` have them.
    """
    if (named := find(model)) is not None:
        model = str(named.config)
        weights = resolve(named.name)[1] if weights is None else weights
    if Path(model).is_dir() and weights is None:
        return model_of_folder(model)
    if not Path(model).is_file():
        raise FileNotFoundError(f'the model {model} is neither a name, a config nor a '
                                'checkpoint: there is no such file')
    if model.endswith(WEIGHT_FILES) and weights is None:
        return None, model
    return model, weights


def model_of_folder(folder: str | Path) -> tuple[Config, Path]:
    """Config and weights of a folder that ``save_pretrained`` wrote.

    Raises:
        PretrainedError: it lacks one of the files.
        Exception: as :meth:`Pretrained.from_pretrained` has them.
    """
    folder = Path(folder)
    found = {path.name for path in folder.iterdir()}
    missing = [name for name in (CONFIG, WEIGHTS) if name not in found]
    if missing:
        pickles = sorted(name for name in found if name.endswith(PICKLES))
        hint = (f'; {pickles[0]} in it is a pickle, which could run code when it is loaded: ask '
                f'its author for {WEIGHTS}' if pickles and WEIGHTS in missing else '')
        raise PretrainedError(
            f'{folder} has no {" and no ".join(missing)}, as save_pretrained writes them{hint}')
    return config_of_json(folder / CONFIG, folder / WEIGHTS), folder / WEIGHTS


def _fetch(repository: str, **options: Any) -> Path:
    """Bring both files into the hub's cache; their folder there."""
    try:
        config = hf_hub_download(repository, CONFIG, **options)
        # Of the same commit, whatever the branch is by then.
        options['revision'] = Path(config).parent.name
        return Path(hf_hub_download(repository, WEIGHTS, **options)).parent
    except HFValidationError as error:
        raise PretrainedError(f'{repository!r} is neither a folder nor a name on the model hub '
                              "('OWNER/NAME')") from error
    except (OSError, ValueError) as error:
        reason = hub_failure(error)
        if not reason and isinstance(error, EntryNotFoundError):
            reason = (f'The repository has no {CONFIG} and {WEIGHTS}, as save_pretrained writes '
                      'them; other forms of weights, which could run code, are not loaded.')
        if not reason:
            reason = ' '.join(str(error).split()) or type(error).__name__
        raise PretrainedError(f'cannot load {repository!r}: {reason}') from error
