"""Emoji as two vendors draw them, 64 × 64: the same pictures in both styles, people in several skin tones and as man or woman.

What belongs together follows from the code points of a picture's name, so that the true translation of each is known. The entry's
`pictures` says which are taken: styles, skin or people.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import partial

from ganrepro.data.layouts.base import Item, Place, images, pair
from ganrepro.errors import SourceError

TESTED = 5  # one motif of so many is for testing
TONES = {"light": "1f3fb", "medium-light": "1f3fc", "medium": "1f3fd", "medium-dark": "1f3fe", "dark": "1f3ff"}
SEXES = {"man": {"1f468", "2642"}, "woman": {"1f469", "2640"}}
Looks = dict[str, str]  # sex and skin, where a picture says them


def items(place: Place) -> Iterator[Item]:
    """Motifs that every domain has a picture of; all pictures of a motif are in one split."""
    vendors = place.entry["vendors"]
    files = {vendor: {path.stem: path for path in images(place.folder / "img" / vendor / "64")} for vendor in vendors}
    domains = place.entry["domains"]
    found: dict[str, dict[str, str]] = {}  # motif -> domain -> name of the picture
    for name in files[vendors[0]]:
        motif, looks = looks_of(name)
        if place.entry["pictures"] == "styles":
            found[name] = dict.fromkeys(domains, name) if all(name in files[vendor] for vendor in vendors) else {}
            continue
        for domain, of in domains.items():
            if looks == of["attributes"] or (place.entry["pictures"] == "skin" and _tone(looks) == of["attributes"]):
                rest = motif if place.entry["pictures"] == "people" else f"{motif}-{looks.get('sex', '')}".rstrip("-")
                found.setdefault(rest, {})[domain] = name
    whole = {motif: of for motif, of in found.items() if len(of) == len(domains)}
    if not whole:
        raise SourceError(f"{place.folder}: no motif of which every domain has a picture; fetch the source again")
    by_domain = dict(zip(domains, vendors, strict=True)) if len(vendors) > 1 else dict.fromkeys(domains, vendors[0])
    readings = {domain: place.reading(domain) for domain in domains}
    for motif, of in sorted(whole.items()):
        digest = hashlib.sha256(_bare(motif).encode()).digest()
        split = "test" if digest[0] % TESTED == 0 else "train"
        paths = {domain: files[by_domain[domain]][of[domain]] for domain in domains}
        yield Item(split, motif, tuple(domains), partial(pair, paths, readings))


def looks_of(name: str) -> tuple[str, Looks]:
    """The code points of a picture without sex and skin, and these, of one person: ('1f9d1-200d-1f680', {'sex': 'man', ...}).

    Of several people in one picture nothing is told apart.
    """
    points = [point for point in name.lower().split("-") if point != "fe0f"]  # which asks for colour
    tones = [tone for tone, point in TONES.items() if point in points]
    sexes = [sex for sex, signs in SEXES.items() if signs & {*points}]
    if sum(point in TONES.values() for point in points) > 1 or len(sexes) > 1:
        return "-".join(points), {}
    signs = {"1f468", "1f469"}
    rest = ["1f9d1" if point in signs else "2640" if point == "2642" else point for point in points]
    looks = ({"sex": sexes[0]} if sexes else {}) | ({"skin": tones[0]} if tones else {})
    return "-".join(point for point in rest if point not in TONES.values()), looks


def _bare(name: str) -> str:
    """What a picture shows, whoever does it: without tones, sex and what asks for colour. All such are in one split."""
    signs = {sign for of in SEXES.values() for sign in of}
    points = name.lower().split("-")
    kept = [point for point in points if point not in {*TONES.values(), "fe0f", "200d", *SEXES, *signs}]
    return "-".join(kept)


def _tone(looks: Looks) -> Looks:
    return {"skin": looks.get("skin", "yellow")}
