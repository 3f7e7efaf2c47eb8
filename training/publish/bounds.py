"""What a network that is taught more may lose of what it knew, seen on pictures that neither teach nor judge it."""

from __future__ import annotations

import torch

from service.model.artifact import Manifest
from training.data.mnist import Digits
from training.judge.measure import logits_of
from training.judge.refit import Looked, refit_energy, refit_odds, rejected
from training.learn.adapt import Adaptation
from training.network.convnet import ConvNet
from training.publish.old_task import OldTask


class Bounds:
    """Tells whether a network knows what its base knew: one pass, with odds and energy fitted again as for publication.

    Args:
        base: the network as it was.
        manifest: by which it judges.
        old: what it knew; `validation`, `hands` and `others` are looked at.
        how: how much of each may be lost.
    """

    def __init__(self, base: ConvNet, manifest: Manifest, old: OldTask, how: Adaptation) -> None:
        self._manifest = manifest
        self._sets = [part for part in (old.validation, old.hands) if part is not None and len(part)]
        self._hands = old.hands
        self._others = Digits(old.others, torch.zeros(len(old.others)))
        self._how = how
        self._before = self._look(base)
        self._known = self._shares(self._before)

    def allow(self, net: ConvNet) -> bool:
        """Tell whether `net` answers as many digits of each set rightly, and rejects as many others, within bounds."""
        *digits, others = (now - then for now, then in zip(self._shares(self._look(net)), self._known, strict=True))
        return min(digits) >= -self._how.forget and others >= -self._how.forget_others

    def _look(self, net: ConvNet) -> Looked:
        *digits, others = (
            logits_of(net, part) / self._manifest.temperature if len(part) else torch.zeros((0, 1))
            for part in (*self._sets, self._others)
        )
        return Looked(digits, others, [part.labels for part in self._sets])

    def _shares(self, looked: Looked) -> list[float]:
        """Return the share, in percent, of each set that is answered rightly, and of the others that is rejected."""
        odds = refit_odds(self._real(self._before), self._real(looked), self._manifest)
        manifest = self._manifest.model_copy(update={"digit_odds": odds})
        limit = refit_energy(self._before, looked, self._manifest, odds)
        right = [
            (logits.argmax(dim=1) == part.labels) & ~rejected(logits, limit, manifest)
            for logits, part in zip(looked.digits, self._sets, strict=True)
        ]
        turned_down = rejected(looked.others, limit, manifest)
        return [100 * float(each.double().mean()) if len(each) else 0.0 for each in (*right, turned_down)]

    def _real(self, looked: Looked) -> Looked:
        """Leave MNIST out: it says nothing of how real digits differ from what is none."""
        places = [place for place, part in enumerate(self._sets) if part is self._hands]
        return Looked([looked.digits[at] for at in places], looked.others, [looked.labels[at] for at in places])
