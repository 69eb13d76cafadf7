"""The form that csrc/engine/net.c reads: weights as signed bytes, with a scale for
each output, and the rest as floats, in an order that `visit` has."""

import struct
import zlib

import numpy as np
import torch

import model

MAGIC = b"cambnet2"


class Writer:
    def __init__(self):
        self.parts = []

    def floats(self, *tensors):
        for t in tensors:
            self.parts.append(t.numpy().astype("<f4").tobytes())

    def linear(self, weight, bias):
        """weight: a view of (taps, inputs, outputs); gets what is written."""
        w = weight.numpy()
        scale = np.maximum(np.abs(w).max((0, 1)), 1e-9) / 127
        w[:] = np.rint(w / scale)
        self.parts.append(w.astype("i1").tobytes())
        self.parts.append(scale.astype("<f4").tobytes())
        self.floats(bias)
        w *= scale


class Reader:
    def __init__(self, body):
        self.body, self.at = body, 0

    def take(self, shape, kind):
        count = int(np.prod(shape))
        values = np.frombuffer(self.body, kind, count, self.at)
        self.at += values.nbytes
        return torch.from_numpy(values.astype("f4").reshape(shape))

    def floats(self, *tensors):
        for t in tensors:
            t.copy_(self.take(t.shape, "<f4"))

    def linear(self, weight, bias):
        weight.copy_(self.take(weight.shape, "i1"))
        weight.mul_(self.take(weight.shape[2:], "<f4"))
        self.floats(bias)


def dense(file, layer, taps=1):
    o, i = layer.weight.shape
    file.linear(layer.weight.view(o, taps, i // taps).permute(1, 2, 0),
                layer.bias)


def banded(file, layers, taps=1):
    for layer in layers:
        for w, b in zip(layer.weight, layer.bias):
            i, o = w.shape
            file.linear(w.view(i, taps, o // taps).permute(1, 0, 2),
                        b.view(-1))


@torch.no_grad()
def visit(file, net):
    file.floats(net.mean, net.scale)
    banded(file, net.encode, model.TAPS)
    dense(file, net.inner)
    for block in net.blocks:
        file.floats(block.norm.weight, block.norm.bias)
        dense(file, block.conv, model.TAPS)
        dense(file, block.out)
    dense(file, net.pool)
    file.floats(net.norm.weight, net.norm.bias)
    dense(file, net.context)
    banded(file, net.decode, model.TAPS)
    banded(file, net.mask)
    dense(file, net.seen)
    file.floats(net.doubt.weight.view(-1), net.doubt.bias)


def write(net, path):
    """The net's weights become what is written."""
    writer = Writer()
    visit(writer, net)
    body = b"".join(writer.parts)
    with open(path, "wb") as file:
        file.write(MAGIC + struct.pack("<I", zlib.crc32(body)) + body)


def read(net, path):
    with open(path, "rb") as file:
        data = file.read()
    head, body = data[:len(MAGIC) + 4], data[len(MAGIC) + 4:]
    reader = Reader(body)
    if head != MAGIC + struct.pack("<I", zlib.crc32(body)):
        raise ValueError(f"{path} holds no weights, or damaged ones")
    visit(reader, net)
    if reader.at != len(body):
        raise ValueError(f"{path} holds the weights of another network")
