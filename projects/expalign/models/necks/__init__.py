"""Necks: pyramid and expectation alignment."""

from .eah_neck import EAHNeck, EAHOutput
from .pafpn import ExpAlignPAFPN

__all__ = ['EAHNeck', 'EAHOutput', 'ExpAlignPAFPN']
