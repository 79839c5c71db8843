"""What a detector takes of a checkpoint, and what it says of the rest."""

from mmengine.logging import print_log
from torch import nn

from expalign.checkpoints.checkpoint import (
    describe_mismatch,
    mask_branches_left_over,
    optional_prefixes,
    trained_encoders_left_out,
)
from expalign.checkpoints.frozen_encoders import check_frozen_encoders


class TakesCheckpoints(nn.Module):
    """Loads weights of this model and of its other forms, and refuses those of another.

    Encoders that a checkpoint leaves out keep the weights that they have, mask branches that the
    model has no use for are left aside, and all else must fit, unless ``partial_checkpoint``.
    """

    partial_checkpoint: bool

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, *args) -> None:
        if not prefix:
            check_frozen_encoders(self, state_dict, local_metadata)
            self.take_known_classes(local_metadata)
            mismatch = describe_mismatch(self, state_dict)
            if mismatch and not self.partial_checkpoint:
                raise RuntimeError(
                    f'the checkpoint does not match the model: {mismatch}\nUse the config that '
                    'the checkpoint was trained with, or, to start training from another form '
                    'of the model, set model.partial_checkpoint=True.')
            if mismatch:
                print_log(f'partial checkpoint: {mismatch}', 'current', level=30)
            for name in trained_encoders_left_out(self, state_dict):
                print_log(f'the checkpoint has no {name}, which this model trains: it starts from '
                          "the encoder's own weights", 'current', level=30)
            left_over = mask_branches_left_over(self, state_dict)
            for name in left_over:
                del state_dict[name]
            if left_over:
                print_log(f'the checkpoint has mask branches ({len(left_over)} weights), which '
                          'this model, the detection form, does not use', 'current')
            # Encoders that a checkpoint leaves out keep the weights they have.
            prefixes = optional_prefixes(self, state_dict)
            for name, value in self.state_dict().items():
                if name.startswith(prefixes):
                    state_dict.setdefault(name, value)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)
