"""Takes the benchmarks of a GPU to a machine that has PyTorch and nothing else."""

from __future__ import annotations

import zipfile
from pathlib import Path

from benchmarks.training_step import revision
from ganrepro.errors import UserError
from ganrepro.store.files import replacing


def pack(root: Path, path: Path, wheels: Path | None, reference: Path | None, data: list[Path]) -> None:
    """One file that Python runs: code, tests, parameters, prepared images, the reference, wheels for what is lacking.

    root: the checkout, in which the data lie.  UserError for a folder that is not there.
    """
    data = [place.absolute() for place in data]
    for place, kind in [(wheels, "*.whl"), (reference, "models/*.py"), *((place, "manifest.json") for place in data)]:
        if place is not None and not any(place.glob(kind)):
            raise UserError(f"{place}: holds no {kind}; nothing was packed")
    if outside := [str(place) for place in data if root not in place.parents]:
        raise UserError(f"{outside[0]}: expected a folder of this checkout (data/NAME-KEY); nothing was packed")
    code = [file for folder in ("ganrepro", "papers", "pipeline", "benchmarks", "tests") for file in (root / folder).rglob("*")]
    code = [file for file in code if "__pycache__" not in file.parts and "results" not in file.parts]
    whole = [
        *code,
        root / "params.yaml",
        root / "pyproject.toml",
        *(file for folder in data for file in folder.rglob("*")),
    ]
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as made:
        made.write(Path(__file__).with_name("gpu_main.py"), "__main__.py")
        for file in sorted(file for file in whole if file.is_file()):
            made.write(file, file.relative_to(root).as_posix())
        for file in sorted((reference or Path("none")).rglob("*.py")):
            made.write(file, f"reference/{file.relative_to(reference or '.').as_posix()}")
        if reference:
            made.writestr("reference/COMMIT", revision(reference))
        for wheel in sorted((wheels or Path("none")).glob("*.whl")):
            made.write(wheel, f"wheels/{wheel.name}")
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB; there: python {path.name}")
