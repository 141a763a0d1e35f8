"""Weights of other frameworks as plain arrays by layer, and how a network takes them: Caffe. Nothing in a file is executed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from google.protobuf import descriptor_pb2, descriptor_pool, message, message_factory

from ganrepro.errors import WeightsError

Layers = Mapping[str, list[np.ndarray]]  # layer name -> its arrays: weight (out, in, h, w), bias (out,)


class Layered(Protocol):
    """A network whose layers have names."""

    layers: torch.nn.ModuleDict


# The fields of caffe.proto that hold weights: message -> {field: (number, type)}; a lower-case type is a plain one.
CAFFE = {
    "BlobShape": {"dim": (1, "int64")},
    "BlobProto": {"num": (1, "int32"), "channels": (2, "int32"), "height": (3, "int32"), "width": (4, "int32"),
                  "data": (5, "float"), "shape": (7, "BlobShape")},
    "V1LayerParameter": {"name": (4, "string"), "blobs": (6, "BlobProto")},
    "LayerParameter": {"name": (1, "string"), "blobs": (7, "BlobProto")},
    "NetParameter": {"layers": (2, "V1LayerParameter"), "layer": (100, "LayerParameter")},
}  # fmt: skip
REPEATED = {"dim", "data", "blobs", "layers", "layer"}


def caffe_messages() -> dict[str, type[message.Message]]:
    """Message classes of the part of caffe.proto that a .caffemodel needs to be read (and, in tests, written)."""
    field_type = descriptor_pb2.FieldDescriptorProto
    plain = {
        "int64": field_type.TYPE_INT64,
        "int32": field_type.TYPE_INT32,
        "float": field_type.TYPE_FLOAT,
        "string": field_type.TYPE_STRING,
    }
    file = descriptor_pb2.FileDescriptorProto(name="ganrepro/caffe.proto", package="caffe", syntax="proto2")
    for name, fields in CAFFE.items():
        kind = file.message_type.add(name=name)
        for field, (number, of) in fields.items():
            label = field_type.LABEL_REPEATED if field in REPEATED else field_type.LABEL_OPTIONAL
            added = kind.field.add(name=field, number=number, label=label, type=plain.get(of, field_type.TYPE_MESSAGE))
            if of not in plain:
                added.type_name = f".caffe.{of}"
            elif field in REPEATED:
                added.options.packed = True
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"caffe.{name}")) for name in CAFFE}


def read_caffemodel(path: Path) -> Layers:
    """Arrays of every layer that has any. WeightsError if the file is no such message."""
    net = caffe_messages()["NetParameter"]()
    try:
        net.ParseFromString(path.read_bytes())
    except message.DecodeError as error:
        raise WeightsError(f"{path}: not a Caffe model, or cut short ({error}); fetch it again") from None
    layers = {}
    for layer in [*net.layers, *net.layer]:
        arrays = []
        for blob in layer.blobs:
            shape = tuple(blob.shape.dim) or (blob.num, blob.channels, blob.height, blob.width)
            if len(blob.data) != np.prod(shape):
                raise WeightsError(f"{path}: layer {layer.name}: {len(blob.data)} values for shape {shape}; fetch it again")
            arrays.append(np.array(blob.data, np.float32).reshape(shape))
        if arrays:
            layers[layer.name] = arrays
    return layers


def fill(network: Layered, layers: Layers, path: Path) -> None:
    """Puts arrays into the layers of the same names. WeightsError names a layer that is missing or misshapen."""
    for name, module in network.layers.items():
        if name not in layers:
            if name.startswith("upsample"):
                continue  # a fixed bilinear kernel, which the network has already
            raise WeightsError(f"{path}: layer {name} is missing; the file holds {', '.join(list(layers)[:6])}, …")
        parameters, arrays = list(module.parameters()), layers[name]
        # deconvolutions without `bias_term: false` carry a bias, which their networks leave at 0
        if getattr(module, "bias", None) is None and len(arrays) == len(parameters) + 1 and not arrays[-1].any():
            arrays = arrays[:-1]
        if len(arrays) != len(parameters):
            raise WeightsError(
                f"{path}: layer {name}: expected {len(parameters)} arrays, got {len(arrays)} (or a bias that is not 0)"
            )
        for parameter, array in zip(parameters, arrays, strict=True):
            # old Caffe files write a bias of n values as (1, 1, 1, n)
            shape = array.shape[-1:] if parameter.ndim == 1 and array.shape[:-1] == (1, 1, 1) else array.shape
            if shape != tuple(parameter.shape):
                raise WeightsError(f"{path}: layer {name}: expected {tuple(parameter.shape)}, got {array.shape}")
            if not np.isfinite(array).all():
                raise WeightsError(f"{path}: layer {name}: holds values that are not finite")
            parameter.data.copy_(torch.from_numpy(np.array(array, np.float32)).view_as(parameter))
