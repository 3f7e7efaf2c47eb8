"""What each file of real handwriting is, its source and terms, and which of its signs look like digits."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

UNIPEN: Final = (
    "UNIPEN train_r01_v07 (I. Guyon, L. Schomaker, R. Plamondon, M. Liberman, S. Janet, ICPR 1994; "
    "International Unipen Foundation, doi:10.5281/zenodo.1195803)"
)


@dataclass(frozen=True)
class Source:
    """One file of hands.

    Attributes:
        name: of the file, without `.npz`.
        what: for people.
        terms: as its makers state them.
        credit: whom to name.
        pens: whether it holds pen strokes rather than pictures.
        ink: whether its pictures are ink on an even ground, which may be drawn anew; photographs are not.
        dark: whether its ink is dark on a light ground.
    """

    name: str
    what: str
    terms: str
    credit: str
    pens: bool = False
    ink: bool = True
    dark: bool = False


_UNIPEN_TERMS: Final = "training recognisers is allowed, commercial ones too; selling the strokes is not; name UNIPEN"
_LICENCES: Final = {
    "usps": ("digits of US mail, 16x16 grey", "not stated; published for research", "AT&T, J. J. Hull (1994)"),
    "optdigits": (
        "digits of 30 Turkish writers, 32x32 binary",
        "CC BY 4.0",
        "E. Alpaydin, C. Kaynak, UCI Machine Learning Repository 80",
    ),
    "swiss": ("digits of Swiss and other writers, 16x16", "CC0 1.0", "kensanata/numbers"),
    "unipen_digits": ("digits as pen strokes", _UNIPEN_TERMS, UNIPEN),
    "unipen_signs": ("letters and symbols as pen strokes", _UNIPEN_TERMS, UNIPEN),
    "omniglot": (
        "letters of 7 scripts and Greek, 35x35 binary",
        "MIT",
        "B. Lake, R. Salakhutdinov, J. Tenenbaum (2015)",
    ),
    "icons": (
        "icons and logos, 48x48 grey",
        "CC0, Apache-2.0, MIT",
        "Simple Icons, Material Design Icons, Bootstrap Icons",
    ),
    "doodles": ("drawings of things, 28x28 grey", "CC BY 4.0", "Google, Quick, Draw!"),
    "patches": (
        "pieces of photographs, 32x32 grey",
        "CC0 or CC BY 2.0, each",
        "scikit-image and scikit-learn's sample pictures",
    ),
    "faces": ("faces, 28x23 grey", "credit to the makers", "Olivetti Research Laboratory, AT&T Laboratories Cambridge"),
    "chars74k": (
        "digits and Latin letters of 55 people, drawn on a tablet, 64x64",
        "research",
        "T. de Campos, B. Babu, M. Varma (2009)",
    ),
}


def _source(name: str) -> Source:
    stem = name.rpartition("_")[0]
    what, terms, credit = _LICENCES[stem]
    return Source(
        name,
        what,
        terms,
        credit,
        pens=stem.startswith("unipen"),
        ink=stem not in ("patches", "faces"),
        dark=stem == "swiss",
    )


TRAINING: Final = tuple(
    f"{stem}_train"
    for stem in (
        *("unipen_digits", "swiss", "usps", "optdigits"),
        *("unipen_signs", "omniglot", "icons", "doodles", "patches"),
    )
)
VALIDATION: Final = tuple(
    f"{stem}_validation"
    for stem in (
        *("unipen_digits", "swiss", "chars74k"),
        *("unipen_signs", "omniglot", "icons", "doodles", "patches", "faces"),
    )
)
SOURCES: Final = {name: _source(name) for name in (*TRAINING, *VALIDATION)}

LOOKALIKES: Final = frozenset("OoIl|1SsZzBbqg()/\\'`,.!^")
"""Letters and marks that are a digit to everyone once they stand alone, cut to their ink: in neither class."""

_SCRIPTS: Final = {  # a circle, a bar, a caret, or a digit's very shape; by number of the alphabet's letters
    "Latin": (2, 7, 9, 12, 15, 17, 19, 26),
    "Korean": (21, 22, 31, 33),
    "Japanese_(katakana)": (24, 27, 43),
    "Early_Aramaic": (2, 3, 4, 6, 12, 16, 17, 20),
    "Tagalog": (3, 16),
    "Greek": (8, 9, 15),
}
_ICONS: Final = re.compile(r"(circle|record|slash|minus|dash)(-(fill|lg|outline))?")


def is_lookalike(name: str, label: str) -> bool:
    """Tell whether a sign of a file looks like a digit to everyone, so that it is neither trained on nor judged."""
    if name.startswith(("unipen_signs", "chars74k")):
        return label in LOOKALIKES
    if name.startswith("omniglot"):
        return int(label[-2:]) in _SCRIPTS.get(label.partition("/")[0], ())
    return name.startswith("icons") and _ICONS.fullmatch(label) is not None
